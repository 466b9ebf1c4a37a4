"""A job while it is active: what its eventlog, jobspec and R say, in a form to decide by."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from jobmgrd.jobs import contexts
from jobmgrd.jobs.facts import FACTS, merged
from jobmgrd.jobs.outcome import EXCEPTED, RAN
from jobmgrd.jobs.states import FATAL, TRANSITIONS
from protocol import eventlog
from protocol.errors import FormatError
from protocol.job import (
    PRIORITY_MAX,
    PRIORITY_MIN,
    URGENCY_DEFAULT,
    URGENCY_EXPEDITE,
    URGENCY_HOLD,
    Result,
    State,
)
from protocol.jobspec import Jobspec
from protocol.resource_set import Rank, parse

EVENTLOG_VERSION: Final = 1

Perilog: TypeAlias = Literal["prolog", "epilog"]
"""A command of the site that runs around a job."""


class Job:
    """One active job. `apply` is the only way its state changes.

    Times are UNIX time, 0.0 is "not yet". `status` is the wait status of the finish event, or None
    before it. `start_asked`, `end_asked` and `has_output` are the job manager's own notes, not in
    the eventlog: whether execution was asked to start and to end, and has written anything.
    `jobspec` follows its updates, `jobspec_json` and `R` stay as they were. An `immutable` job is
    updated by the owner of the instance alone. `perilog` is the command of the site that runs;
    `t_ready` is when a prolog has ended, if there was one, and tasks could be started.
    """

    __slots__ = (
        "R",
        "committed",
        "dependencies",
        "end_asked",
        "entries",
        "epilog_done",
        "exception",
        "exception_status",
        "fate",
        "flags",
        "has_output",
        "has_resources",
        "id",
        "immutable",
        "input_lines",
        "input_size",
        "jobspec",
        "jobspec_json",
        "memo",
        "moves",
        "noted",
        "output_lines",
        "perilog",
        "priority",
        "prolog_done",
        "ranks",
        "sched",
        "start_asked",
        "started",
        "state",
        "status",
        "t_clean",
        "t_cleanup",
        "t_depend",
        "t_ready",
        "t_run",
        "t_submit",
        "urgency",
        "userid",
    )

    def __init__(self, id: int, jobspec: Jobspec, jobspec_json: bytes) -> None:
        self.id = id
        self.jobspec = jobspec
        self.jobspec_json = jobspec_json
        self.R: bytes | None = None
        self.ranks: Sequence[Rank] = ()  # what R says
        self.userid = 0
        self.flags = 0
        self.urgency = URGENCY_DEFAULT
        self.priority = PRIORITY_MIN
        self.state = State.NEW
        self.entries: list[bytes] = []
        self.moves: list[tuple[State, float]] = []  # states come to since the last write, and when
        self.committed = 0  # how many of `entries` are durable
        self.output_lines = 0  # how many lines of output are durable
        self.input_lines = 0  # and of what was written to stdin
        self.input_size = 0  # how many bytes of that there are, durable or not
        self.perilog: Perilog | None = None
        self.prolog_done = self.epilog_done = False
        self.t_ready = 0.0
        self.t_submit = self.t_depend = self.t_run = self.t_cleanup = self.t_clean = 0.0
        self.has_resources = self.has_output = self.immutable = False
        self.start_asked = self.started = self.end_asked = False
        self.status: int | None = None
        self.fate = 0  # what others depend on beside its result (jobmgrd.jobs.outcome)
        self.exception: tuple[str, int, str] | None = None  # type, severity, note; first fatal one
        self.exception_status: int | None = None  # the wait status that it gives the job
        self.memo: dict[str, Any] = {}
        self.noted: dict[str, Any] | None = None  # the memo with what no eventlog has
        self.sched: Mapping[str, Any] | None = None  # what the scheduler says of a pending job
        self.dependencies: dict[str, None] = {}  # descriptions of those not met yet, in order

    @property
    def eventlog(self) -> bytes:
        """All entries, a line each (RFC 18)."""
        return b"".join(self.entries)

    def apply(self, t: float, name: str, context: Mapping[str, Any] | None = None) -> bytes:
        """Append an event, let it change what it changes, and return its line.

        Args:
            t: UNIX time of the event.
            name: the event's name (RFC 21).
            context: its context; must be what RFC 21 asks of this event.
        """
        line = eventlog.entry_line(t, name, context)
        self.entries.append(line)
        self._take(t, name, context or {})
        return line

    def _take(self, t: float, name: str, context: Mapping[str, Any]) -> None:
        fact = FACTS.get(name)
        if fact is not None:
            fact(self, t, context)
        if name == "exception":
            if context["severity"] == 0 and self.state & FATAL:
                self.fate |= EXCEPTED
                self._move(State.CLEANUP, t)
            return
        state = TRANSITIONS.get((self.state, name))
        if state is not None:
            self._move(state, t)

    def _move(self, state: State, t: float) -> None:
        self.state = state
        self.moves.append((state, t))
        if state is State.DEPEND:
            self.t_depend = t
        elif state is State.RUN:
            self.t_run = t
            self.fate |= RAN
            self.sched = None
        elif state is State.CLEANUP:
            self.t_cleanup = t
            self.sched = None
        elif state is State.INACTIVE:
            self.t_clean = t

    def note(self, memo: Mapping[str, Any]) -> None:
        """Let a memo be shown while the job is active, without an event."""
        self.noted = merged(self.memo if self.noted is None else self.noted, memo)

    def has_met(self, description: str) -> bool:
        """Whether a dependency was added, and removed again."""
        removed = {"description": description}
        events = map(eventlog.decode_line, self.entries)
        return any(x.name == "dependency-remove" and x.context == removed for x in events)

    @property
    def barred(self) -> bool:
        """Whether an exception came while the prolog ran: no task is ever started."""
        return self.prolog_done and 0.0 < self.t_cleanup <= self.t_ready

    @property
    def result(self) -> Result:
        """How the job ended (RFC 43); meaningful once it is in CLEANUP or INACTIVE."""
        if self.exception is not None:
            kind = self.exception[0]
            if kind == "cancel":
                return Result.CANCELED
            return Result.TIMEOUT if kind == "timeout" else Result.FAILED
        return Result.COMPLETED if self.status == 0 else Result.FAILED


def replay(id: int, jobspec: Jobspec, jobspec_json: bytes, R: bytes | None, log: bytes) -> Job:
    """The job whose kept eventlog this is.

    Raises:
        FormatError: the eventlog is malformed, does not begin with a submit event, or speaks of
            resources that R does not name.
    """
    entries = eventlog.decode(log)
    if not entries or entries[0].name != "submit":
        raise FormatError("eventlog does not begin with a submit event")
    job = Job(id, jobspec, jobspec_json)
    job.R = R
    job.ranks = parse(R).ranks if R is not None else ()
    for entry in entries:
        contexts.check(entry)
        job._take(entry.timestamp, entry.name, entry.context or {})  # noqa: SLF001 - same module
    if (job.has_resources or job.perilog is not None) and not job.ranks:
        raise FormatError("eventlog speaks of resources, and R names none")
    job.moves.clear()
    job.entries = log.splitlines(keepends=True)
    job.committed = len(job.entries)
    return job


def priority_of(job: Job) -> int:
    """The priority that flux-core's built-in plugin gives: hold and expedite are the extremes."""
    if job.urgency == URGENCY_HOLD:
        return PRIORITY_MIN
    return PRIORITY_MAX if job.urgency == URGENCY_EXPEDITE else job.urgency
