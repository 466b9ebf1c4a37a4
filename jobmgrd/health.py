"""What usually goes wrong with a running daemon, told from what it knows of itself.

Pure: facts in, findings out. jobmgrd/services/health.py gathers the facts, `jobmgr doctor` shows
the findings beside those that need no daemon.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from jobmgrd.limits import LIMITS
from protocol.health import LEVELS, Finding, Level

ROOM_LOW: Final = 1 << 30
ROOM_OUT: Final = 64 << 20
"""Bytes left for the store below which somebody should look, or has to act."""

UNBOUNDED: Final = 10_000
"""Jobs kept without any limit that are worth a word."""

LAG: Final = 600.0
"""Seconds by which purging may be behind before it does not keep up."""

REFUSALS: Final = 1000
"""How often a limit was met since the start, from which on somebody should look."""

STALLED: Final = 5.0
"""Seconds that no write should take."""

EPOCH: Final = 1_704_067_200.0
"""2024-01-01: a clock that shows less was never set."""

DAY: Final = 86400.0


class Facts(Struct, frozen=True):
    """What the findings are told from."""

    now: float  # the wall clock, UNIX time
    clock_jump: float  # seconds by which the wall clock has jumped and is not followed
    statedir: str
    mode: int  # permission bits of the state directory; 0 if its file system hangs
    room: int | None  # bytes that this file system has left; None: it hangs
    reserve: bool  # the store's reserve is set aside
    unwritten: str  # why the last write failed; "" if it did not
    waiting: float  # seconds for which the write that is under way has waited
    inactive: int
    limited: bool  # some limit purges jobs
    backlog: int  # jobs that should be purged by now
    lag: float  # seconds since the oldest of them ended
    blocked: str  # why purging fails; "" if it does not
    archive_error: str  # "" if the archive works, or there is none
    orphans: int
    suppressed: int  # log lines that were too many
    refused: Mapping[str, int]  # how often each limit was met, and peers were not let in


def examine(facts: Facts) -> list[Finding]:
    """A finding for each thing that is looked at; those that are well say so."""
    return [
        _permissions(facts),
        _disk(facts),
        _reserve(facts),
        _writes(facts),
        _limits(facts),
        _purging(facts),
        _archive(facts),
        _clock(facts),
        _orphans(facts),
        _log(facts),
        _refusals(facts),
    ]


def _permissions(facts: Facts) -> Finding:
    if facts.mode & 0o077:
        text = f"{facts.statedir} is open to others (mode {facts.mode:04o})"
        advice = f"chmod 700 {facts.statedir}: jobmgrd does not start with it"
        return Finding("state-directory", "error", text, advice)
    return Finding("state-directory", "ok", f"{facts.statedir} is private")


def _disk(facts: Facts) -> Finding:
    if facts.room is None:
        text = f"the file system of {facts.statedir} does not answer"
        return Finding("disk", "error", text, "see the kernel's log, and whoever serves it")
    room = f"{facts.room / 2**20:,.0f} MiB left in {facts.statedir}"
    advice = "purge jobs (jobmgr job purge --num-limit=N --force), or make room on the file system"
    if facts.room < ROOM_OUT:
        return Finding("disk", "error", f"the disk is full: {room}", advice)
    if facts.room < ROOM_LOW:
        return Finding("disk", "warning", f"the disk is nearly full: {room}", advice)
    return Finding("disk", "ok", room)


def _reserve(facts: Facts) -> Finding:
    if facts.reserve:
        return Finding("store-reserve", "ok", "room for a purge is set aside")
    text = "no room is set aside, so that a purge may fail on a full disk"
    return Finding("store-reserve", "error", text, "make room: it is set aside again by itself")


def _writes(facts: Facts) -> Finding:
    if facts.waiting > STALLED:
        text = f"a write has not come back for {facts.waiting:.0f} s: the file system hangs"
        advice = "mend it, and what waits is answered; or stop the daemon, which waits for nothing"
        return Finding("store", "error", text, advice)
    if not facts.unwritten:
        return Finding("store", "ok", "writes succeed")
    advice = "mend the cause: what waits is written again every half second"
    return Finding("store", "error", f"writes fail: {facts.unwritten}", advice)


def _limits(facts: Facts) -> Finding:
    if facts.limited:
        return Finding("limits", "ok", "history is bounded")
    text = f"no limit is set: {facts.inactive} ended jobs are kept, and all to come"
    if facts.inactive < UNBOUNDED:
        return Finding("limits", "ok", text)
    advice = "set [job-manager] inactive-age-limit or inactive-num-limit, then jobmgr config reload"
    return Finding("limits", "warning", text, advice)


def _purging(facts: Facts) -> Finding:
    if facts.blocked:
        text = f"purging fails: {facts.blocked}"
        return Finding("purging", "error", text, "mend the cause: the next heartbeat tries again")
    if facts.backlog and facts.lag > LAG:
        text = f"purging is {facts.lag:.0f} s behind: {facts.backlog} jobs should be gone"
        advice = "raise [job-manager] purge-budget, or see `jobmgr stats` for what is slow"
        return Finding("purging", "warning", text, advice)
    return Finding("purging", "ok", "it keeps up")


def _archive(facts: Facts) -> Finding:
    if facts.archive_error:
        text = f"the archive fails, and nothing is purged: {facts.archive_error}"
        advice = "mend the cause: it is opened again with the next purge"
        return Finding("archive", "error", text, advice)
    return Finding("archive", "ok", "nothing failed")


def _clock(facts: Facts) -> Finding:
    if facts.now < EPOCH:
        text = "the clock was never set: ages of jobs are wrong"
        return Finding("clock", "error", text, "set it (timedatectl), then jobmgr config reload")
    if facts.clock_jump:
        text = f"the clock has jumped by {facts.clock_jump:.0f} s, which is not followed"
        return Finding("clock", "error", text, "if it is right now: jobmgr config reload")
    return Finding("clock", "ok", "it goes steadily")


def _orphans(facts: Facts) -> Finding:
    if facts.orphans:
        text = f"{facts.orphans} records could not be replayed and were put aside"
        return Finding("orphans", "warning", text, "see jobmgr job orphans")
    return Finding("orphans", "ok", "every record was replayed")


def _log(facts: Facts) -> Finding:
    if facts.suppressed:
        text = f"{facts.suppressed} log lines were left out, as too many of their kind came"
        return Finding("log", "warning", text, "see the lines with suppressed= in the log")
    return Finding("log", "ok", "no line was left out")


def _refusals(facts: Facts) -> Finding:
    many = {name: n for name, n in facts.refused.items() if n >= REFUSALS}
    met = [f"{LIMITS[name].key} {n} times" for name, n in many.items() if name in LIMITS]
    if met:
        text = f"since the start, clients met {', '.join(met)}"
        return Finding("refusals", "warning", text, "raise the limit, or find out who asks so much")
    if many:
        text = f"since the start, {sum(many.values())} peers over tcp:// were not let in"
        return Finding("refusals", "warning", text, "see curve.refused in the log for who and why")
    return Finding("refusals", "ok", "limits are seldom met, and strangers seldom come")


def worst(findings: Sequence[Finding]) -> Level:
    """The level that stands for all of them."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")
