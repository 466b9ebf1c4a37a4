"""How a job ends, read from its events, and what that is as an exit code."""

import os
from collections.abc import Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from jobmgrd.cli.failure import complain
from jobmgrd.cli.words.ids import spelled
from protocol import eventlog
from protocol.eventlog import Entry

if TYPE_CHECKING:
    from jobmgrd.client import BlockingClient, Client

WATCH: Final = "job-info.eventlog-watch"
NEVER_RAN: Final = 1
_SIGNALED: Final = 128


class Outcome:
    """What the events so far say of a job.

    `exit_code` is that of the job's finish event, 128 + N for signal N; 1 without such an event,
    as for a job that was canceled before it started. `exceptions` are the lines that tell of
    the exceptions raised on the job, in flux-job(1)'s words.
    """

    def __init__(self, id_: int) -> None:
        self.exit_code = NEVER_RAN
        self.exceptions: list[str] = []
        self._name = spelled(id_)
        self._t_submit: float | None = None

    def since(self, entry: Entry) -> float:
        """Seconds from the first event to this one."""
        return 0.0 if self._t_submit is None else entry.timestamp - self._t_submit

    def take(self, entry: Entry) -> str | None:
        """Note an event. Returns the line to show if it is an exception."""
        context = entry.context or {}
        if self._t_submit is None:
            self._t_submit = entry.timestamp
        if entry.name == "finish":
            self.exit_code = exit_code(context["status"])
        if entry.name != "exception":
            return None
        line = (
            f"{self.since(entry):.3f}s: job.exception {self._name}"
            f" type={context['type']} severity={context['severity']} {context.get('note', '')}"
        ).rstrip()
        self.exceptions.append(line)
        return line


def exit_code(status: int) -> int:
    """A wait status as a shell's exit code."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALED - code


def entries(reply: dict[str, Any]) -> Iterable[Entry]:
    """The eventlog entries in one answer of job-info.eventlog-watch."""
    return eventlog.decode(reply["event"].encode())


def wait(client: "BlockingClient", id_: int) -> Outcome:
    """Wait until a job is inactive.

    Raises:
        RpcError: there is no such job.
    """
    outcome = Outcome(id_)
    for reply in client.stream(WATCH, {"id": id_}):
        for entry in entries(reply):
            outcome.take(entry)
    return outcome


async def until(client: "Client", id_: int, event: str | None) -> int:
    """Wait until a job has had an event, or is inactive, and show its exceptions as they occur.

    Returns the job's exit code; 0 once the event was there; 1 if the job ended without it.

    Raises:
        RpcError: there is no such job.
    """
    outcome = Outcome(id_)
    async with aclosing(client.stream(WATCH, {"id": id_})) as replies:
        async for reply in replies:
            for entry in entries(reply):
                line = outcome.take(entry)
                if line is not None:
                    complain(line)
                if entry.name == event:
                    return 0
    if event is None:
        return outcome.exit_code
    complain(f"{spelled(id_)}: event '{event}' never received")
    return max(1, outcome.exit_code)
