"""What one peer, and one user, may have of the daemon, and how often somebody asked for more.

A request beyond a limit is refused by name, so that whoever meets it knows what to wait for and
which key to raise; what is below it is not touched, and no other peer notices.
"""

import errno
from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from protocol.errors import RpcError

UNLIMITED: Final = -1


class Limits(Struct, frozen=True):
    """The numbers; bytes, and requests, streams, topics and jobs."""

    requests: int = 65536
    streams: int = 65536
    subscriptions: int = 1024
    message_size: int = 4 * 2**20
    request_bytes: int = 64 * 2**20
    queued_bytes: int = 64 * 2**20
    active_jobs: int = UNLIMITED
    eventlog: int = 2**20


class Limit(Struct, frozen=True):
    """One of them: the key that sets it, what is answered, and the words for it."""

    key: str
    errnum: int
    text: str


LIMITS: Final[Mapping[str, Limit]] = {
    "requests": Limit(
        "[rpc] requests-per-peer", errno.EAGAIN, "{} requests of this client are under way"
    ),
    "streams": Limit(
        "[rpc] streams-per-peer", errno.EAGAIN, "{} streams of this client are under way"
    ),
    "subscriptions": Limit(
        "[events] subscriptions-per-peer", errno.ENOSPC, "this client has {} subscriptions"
    ),
    "message_size": Limit(
        "[rpc] max-message-size", errno.EMSGSIZE, "a request may have {} bytes"
    ),
    "request_bytes": Limit(
        "[rpc] request-bytes-per-peer",
        errno.EAGAIN,
        "requests of more than {} bytes of this client are under way",
    ),
    "queued_bytes": Limit(
        "[rpc] queued-bytes-per-peer",
        errno.ENOBUFS,
        "more than {} bytes of answers wait for this client to read them",
    ),
    "active_jobs": Limit(
        "[job-manager] active-jobs-per-user", errno.EAGAIN, "this user has {} active jobs"
    ),
    "eventlog": Limit(
        "[job-manager] eventlog-size-per-job", errno.ENOSPC, "the events of this job have {} bytes"
    ),
}  # fmt: skip


class Guard:
    """The limits in force, and how often each was met."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - it is frozen
        self.limits = limits
        self.refused: Counter[str] = Counter(dict.fromkeys((*LIMITS, "keys", "handshakes"), 0))
        """How often, by limit; of connections over tcp, `keys` are those whose key is not let in,
        and `handshakes` those that failed before they showed one."""

    def refuse(self, name: str) -> RpcError:
        """The error for who asks for more than a limit; it is counted."""
        self.refused[name] += 1
        limit = LIMITS[name]
        text = limit.text.format(getattr(self.limits, name))
        return RpcError(limit.errnum, f"{text}: the limit of {limit.key}")
