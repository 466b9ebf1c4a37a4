"""To be attached to a job: its output is shown, our stdin and signals go to it, its end is ours."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from jobmgrd.cli.attached.input import forward_input
from jobmgrd.cli.attached.output import OutputView, show_output
from jobmgrd.cli.attached.waits import explain_waiting
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import WATCH, Outcome, entries
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import Client
from protocol import eventlog
from protocol.errors import RpcError

SECOND_CTRL_C: Final = 2.0
"""Seconds within which a second Ctrl-C cancels the job, as in flux-job attach."""

_FORWARDED: Final = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class Attachment(NamedTuple):
    """How to be attached.

    `until` detaches at an event; `ranks` are the tasks that get our stdin, None is nobody;
    `signals` says whether ours are caught for the job.
    """

    output: OutputView = OutputView()
    until: str | None = None
    ranks: str | None = "all"
    signals: bool = True
    show_events: bool = False
    show_exec: bool = False


async def attach(client: Client, id_: int, how: Attachment) -> int:
    """Be attached to a job until it ends or we detach. Returns its exit code, 0 if detached.

    Raises:
        RpcError: there is no such job.
        BrokenPipeError: nobody reads our output; the job is canceled.
    """
    detached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    with _signals(client, id_, detached, forward=how.signals):
        beside: list[asyncio.Task[None]] = []
        if how.ranks is not None:
            beside.append(asyncio.create_task(forward_input(client, id_, how.ranks)))
        if not how.output.quiet:
            beside.append(asyncio.create_task(explain_waiting(client, id_)))
        if how.show_exec:
            beside.append(asyncio.create_task(_show_exec(client, id_)))
        shown = asyncio.create_task(_output(client, id_, how))
        followed = asyncio.create_task(_follow(client, id_, how, detached))
        ended = asyncio.gather(followed, shown)
        tasks: list[asyncio.Future[Any]] = [ended, *beside]
        try:
            ended.add_done_callback(lambda _: _settle(detached, early=False))
            return 0 if await detached else (await ended)[0].exit_code
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _settle(detached: "asyncio.Future[bool]", *, early: bool) -> None:
    """Leave the job, before its end or because of it; what comes first counts."""
    if not detached.done():
        detached.set_result(early)


async def cancel(client: Client, id_: int, note: str) -> None:
    """Cancel a job, or say why it cannot be."""
    try:
        payload = {"id": id_, "type": "cancel", "severity": 0, "note": note}
        await client.rpc("job-manager.raise", payload)
    except RpcError as error:  # it has ended by itself
        complain(f"cancel {spelled(id_)}: {error}")


async def _output(client: Client, id_: int, how: Attachment) -> None:
    try:
        await show_output(client, id_, how.output)
    except BrokenPipeError:
        if how.signals:
            await cancel(client, id_, "nobody reads the output")
        raise


async def _follow(
    client: Client, id_: int, how: Attachment, detached: "asyncio.Future[bool]"
) -> Outcome:
    """Read the job's events to their end."""
    outcome = Outcome(id_)
    async for reply in client.stream(WATCH, {"id": id_}):
        for entry in entries(reply):
            line = outcome.take(entry)
            if how.show_events:
                complain(_said(outcome, "job", entry))
            elif line is not None and not how.output.quiet:
                complain(line)
            if entry.name == how.until:
                _settle(detached, early=True)
    return outcome


async def _show_exec(client: Client, id_: int) -> None:
    outcome = Outcome(id_)
    async for reply in client.stream(WATCH, {"id": id_, "path": "guest.exec.eventlog"}):
        for entry in entries(reply):
            outcome.take(entry)
            complain(_said(outcome, "exec", entry))


def _said(outcome: Outcome, log: str, entry: eventlog.Entry) -> str:
    context = " " + json.dumps(entry.context, separators=(",", ":")) if entry.context else ""
    return f"{outcome.since(entry):.3f}s: {log}.{entry.name}{context}"


@contextmanager
def _signals(
    client: Client, id_: int, detached: "asyncio.Future[bool]", *, forward: bool
) -> Iterator[None]:
    """Have one Ctrl-C explained, a second one soon after cancel, and hand other signals on."""
    if not forward:
        yield
        return
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    last = -SECOND_CTRL_C

    def begin(task: "asyncio.Task[None]") -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def interrupted() -> None:
        nonlocal last
        first, last = loop.time() - last > SECOND_CTRL_C, loop.time()
        if not first:
            complain(f"canceling {spelled(id_)}")
            begin(loop.create_task(cancel(client, id_, "interrupted by Ctrl-C")))
            return
        loop.add_signal_handler(signal.SIGTSTP, suspended)
        loop.call_later(SECOND_CTRL_C, loop.remove_signal_handler, signal.SIGTSTP)
        complain(
            f"one more Ctrl-C within {SECOND_CTRL_C:g} s cancels {spelled(id_)}, Ctrl-Z detaches"
        )

    def suspended() -> None:
        complain(f"detaching from {spelled(id_)}, which goes on")
        _settle(detached, early=True)

    def forwarded(signum: int) -> None:
        begin(loop.create_task(_kill(client, id_, signum)))

    loop.add_signal_handler(signal.SIGINT, interrupted)
    for signum in _FORWARDED:
        loop.add_signal_handler(signum, forwarded, signum)
    try:
        yield
    finally:
        for signum in (signal.SIGINT, signal.SIGTSTP, *_FORWARDED):
            loop.remove_signal_handler(signum)


async def _kill(client: Client, id_: int, signum: int) -> None:
    try:
        await client.rpc("job-manager.kill", {"id": id_, "signum": signum})
    except RpcError as error:
        complain(f"kill {spelled(id_)}: {error}")
