"""guest.exec.eventlog: the execution system's view of a job (RFC 50), told from its own eventlog.

flux-core's job-exec and job shell keep a second eventlog while they run a job. Here the daemon does
what both do, and the job's eventlog holds the facts already; so this one is derived, not kept:

    start                  init, starting, shell.init, shell.start
    finish                 init and starting, if the job never came to start; complete {status}
    release, the last      done

Its readers need that much: flux-job attach shows output from shell.init on, or from complete,
flux-job taskmap reads shell.start. The service in shell.init is the name that the job shell would
register; services/shell.py answers there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from jobmgrd.jobs.job import Job
from jobmgrd.jobs.placement import place
from protocol import eventlog, job_shell, taskmap
from protocol.eventlog import Entry

_Event: TypeAlias = tuple[str, Mapping[str, Any] | None]

_INIT: Final[Sequence[_Event]] = (("init", None), ("starting", None))


def derive(job: Job, entries: Iterable[Entry]) -> list[bytes]:
    """The lines of the execution eventlog that go with these, the first entries of a job's.

    More entries give more lines and change none: a reader goes on where it left off.
    """
    return [
        eventlog.entry_line(entry.timestamp, name, context)
        for entry, (name, context) in _told(job, entries)
    ]


def _told(job: Job, entries: Iterable[Entry]) -> Iterator[tuple[Entry, _Event]]:
    begun = False
    for entry in entries:
        context = entry.context or {}
        if entry.name in ("start", "finish") and not begun:
            begun = True
            yield from ((entry, event) for event in _INIT)
        if entry.name == "start":
            yield from ((entry, event) for event in _shell(job))
        elif entry.name == "finish":
            yield entry, ("complete", {"status": context["status"]})
        elif entry.name == "release" and context.get("final"):
            yield entry, ("done", None)


def _shell(job: Job) -> Sequence[_Event]:
    """What the job shells say of themselves: the supervisor is one for each node."""
    leader = job.ranks[0].rank if job.ranks else 0
    service = job_shell.service(job.userid, job.id)
    return (
        ("shell.init", {"leader-rank": leader, "size": len(job.ranks), "service": service}),
        ("shell.start", {"taskmap": taskmap.wrap(place(job.jobspec, job.ranks))}),
    )
