"""jobmgr run: submit a job, show its output while it runs, and exit as it does."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import about, complain
from jobmgrd.cli.ids import spelled
from jobmgrd.cli.job_request import JobOptions, job_options, requester
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.outcome import WATCH, Outcome, entries, follow
from jobmgrd.client import Client
from protocol.errors import RpcError
from protocol.job_manager import SubmitReply, SubmitRequest
from protocol.job_output import chunk_of

SECOND_CTRL_C: Final = 2.0
"""Seconds within which a second Ctrl-C cancels the job, as in flux-job attach."""


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "jobmgr run hostname",
        "jobmgr run -n4 -t 10m ./simulate",
        "jobmgr run sh -c 'exit 3'; echo $?           prints 3",
    ),
)
@job_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context,
    /,
    command: tuple[str, ...],
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a job that runs COMMAND, show its output, and exit with its exit code.

    The exit code is 128 + N if signal N ended the job, and 1 if it never ran. A second Ctrl-C
    within two seconds cancels the job.
    """
    request = requester(JobOptions(**options), command)(None)
    ctx.exit(asyncio.run(_run(request)))


async def _run(request: "SubmitRequest") -> int:
    async with connect_async() as client:
        with about("run"):
            id_ = (await client.rpc("job-ingest.submit", request, reply=SubmitReply)).id
        with _ctrl_c_cancels(client, id_):
            outcome: Outcome
            outcome, _ = await asyncio.gather(follow(client, id_), _show_output(client, id_))
    return outcome.exit_code


async def _show_output(client: Client, id_: int) -> None:
    """Copy the job's output to our own, as it comes; nobody to read it cancels the job."""
    streams = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    async for reply in client.stream(WATCH, {"id": id_, "path": "guest.output"}):
        for entry in entries(reply):
            chunk = chunk_of(entry)
            if chunk is None or not chunk.data:
                continue
            stream = streams.get(chunk.stream, sys.stdout.buffer)
            try:
                stream.write(chunk.data)
                stream.flush()
            except BrokenPipeError:
                await _cancel(client, id_, "nobody reads the output")
                raise


@contextmanager
def _ctrl_c_cancels(client: Client, id_: int) -> Iterator[None]:
    """Have one Ctrl-C explained, and a second one soon after cancel the job."""
    loop = asyncio.get_running_loop()
    last = -SECOND_CTRL_C
    canceling: list[asyncio.Task[None]] = []

    def interrupted() -> None:
        nonlocal last
        first, last = loop.time() - last > SECOND_CTRL_C, loop.time()
        if first:
            complain(f"one more Ctrl-C within {SECOND_CTRL_C:g} s cancels {spelled(id_)}")
        elif not canceling:
            complain(f"canceling {spelled(id_)}")
            canceling.append(loop.create_task(_cancel(client, id_, "interrupted by Ctrl-C")))

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _cancel(client: Client, id_: int, note: str) -> None:
    try:
        payload = {"id": id_, "type": "cancel", "severity": 0, "note": note}
        await client.rpc("job-manager.raise", payload)
    except RpcError as error:  # it has ended by itself
        complain(f"cancel {spelled(id_)}: {error}")
