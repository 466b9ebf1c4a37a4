"""job-manager.events-journal: what is asked, and what every response of the stream says.

A response is one of

    events of a job     {id, events, jobspec with submit, R with alloc}
    the sentinel        {id: -1, events: []}: what was, has been told; from here on it is news
    a purge             {id: -1, events: [], purge}: only to those that asked for them

Keys of ours: `seq` is a cursor, "INCARNATION.N" with a decimal N. All news of one daemon process
are numbered without a gap; a stream that asks for purges and filters nothing sees every number.
The sentinel has the number of the last news that came before it, and in `told` how many responses
of its stream did. Those that tell of jobs as they are have no cursor: from the middle of that
nobody can go on. A stream that begins with `since` = a cursor gets what came after it, or is
refused with ESTALE: then begin anew without `since`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from protocol.eventlog import Entry
from protocol.events import PurgeEvent

TOPIC: Final = "job-manager.events-journal"
NO_JOB: Final = -1


class JournalRequest(Struct, frozen=True, omit_defaults=True):
    """What to stream: `full` begins with inactive jobs too; names of events to allow or deny."""

    full: bool = False
    allow: Mapping[str, Any] | None = None
    deny: Mapping[str, Any] | None = None
    since: str | None = None
    purge: bool = False


class JournalReply(Struct, frozen=True):
    """One response. jobspec is redacted: it has no environment."""

    id: int
    events: Sequence[Entry]
    jobspec: Mapping[str, Any] | None = None
    R: Mapping[str, Any] | None = None
    seq: str | None = None
    told: int = 0
    purge: PurgeEvent | None = None

    @property
    def is_sentinel(self) -> bool:
        """Whether this says that what was, has been told."""
        return self.id == NO_JOB and self.purge is None
