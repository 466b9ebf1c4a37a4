"""How a job ends, read from its events, and what that is as an exit code."""

import os
from collections.abc import Iterable
from typing import Any, Final

from jobmgrd.cli.failure import complain
from jobmgrd.cli.ids import spelled
from jobmgrd.client import BlockingClient, Client
from protocol import eventlog
from protocol.eventlog import Entry

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
            f"{entry.timestamp - self._t_submit:.3f}s: job.exception {self._name}"
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


def wait(client: BlockingClient, id_: int) -> Outcome:
    """Wait until a job is inactive.

    Raises:
        RpcError: there is no such job.
    """
    outcome = Outcome(id_)
    for reply in client.stream(WATCH, {"id": id_}):
        for entry in entries(reply):
            outcome.take(entry)
    return outcome


async def follow(client: Client, id_: int) -> Outcome:
    """Wait until a job is inactive, and show its exceptions when they occur.

    Raises:
        RpcError: there is no such job.
    """
    outcome = Outcome(id_)
    async for reply in client.stream(WATCH, {"id": id_}):
        for entry in entries(reply):
            line = outcome.take(entry)
            if line is not None:
                complain(line)
    return outcome
