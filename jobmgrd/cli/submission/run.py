"""jobmgr run: submit a job, show its output while it runs, and exit as it does."""

import asyncio
from typing import Any

import click

from jobmgrd.cli.attached.output import OutputView
from jobmgrd.cli.attached.session import Attachment, attach
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.request import (
    DRY_RUN,
    JobOptions,
    job_options,
    print_jobspec,
    requester,
)
from protocol import idset
from protocol.errors import FormatError
from protocol.job_manager import SubmitReply, SubmitRequest


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "jobmgr run hostname",
        "jobmgr run -n4 -t 10m ./simulate",
        "jobmgr run -n4 -l hostname                   which task said what",
        "jobmgr run --input=0 -n2 cat < notes         stdin to task 0 alone",
        "jobmgr run sh -c 'exit 3'; echo $?           prints 3",
    ),
)
@job_options
@DRY_RUN
@click.option("--wait-event", metavar="NAME", help="Leave the job to itself at this event.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context,
    /,
    command: tuple[str, ...],
    wait_event: str | None,
    *,
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a job that runs COMMAND, show its output, and exit with its exit code.

    The exit code is 128 + N if signal N ended the job, and 1 if it never ran. Our stdin is the
    job's, unless --input names a file, or the tasks that are to read it. Of two Ctrl-C within two
    seconds the second cancels the job; Ctrl-C and then Ctrl-Z leaves it to itself.
    """
    given = JobOptions.of(options)
    ranks, file = _input(given.input)
    request = requester(given._replace(input=file), command)(None)
    if dry_run:
        print_jobspec(request)
        return
    how = Attachment(OutputView(label=given.label_io), until=wait_event, ranks=ranks)
    ctx.exit(asyncio.run(_run(request, how)))


def _input(given: str | None) -> tuple[str | None, str | None]:
    """Which tasks get our stdin, and which file they read."""
    if given is None or given == "all":
        return "all", None
    try:
        idset.parse(given)
    except FormatError:
        return None, given
    return given, None


async def _run(request: SubmitRequest, how: Attachment) -> int:
    async with connect_async() as client:
        with about("run"):
            id_ = (await client.rpc("job-ingest.submit", request, reply=SubmitReply)).id
        return await attach(client, id_, how)
