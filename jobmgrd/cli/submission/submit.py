"""jobmgr submit: take jobs in, many at once if asked to, and print their ids."""

import os
from typing import Any

import click

from jobmgrd.cli.attached.output import OutputView
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.log import Log
from jobmgrd.cli.submission.request import (
    DRY_RUN,
    JobOptions,
    job_options,
    print_jobspec,
    requester,
)
from jobmgrd.cli.words.ids import spelled
from protocol import idset
from protocol.errors import FormatError
from protocol.job_manager import SubmitReply, SubmitRequest


class IdsetType(click.ParamType[tuple[int, ...]]):
    """A set of numbers: "1-10,20" (RFC 22)."""

    name = "IDSET"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """The numbers, ascending."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(idset.parse(value))
        except FormatError as error:
            self.fail(str(error), param, ctx)


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "jobmgr submit sleep 60",
        "jobmgr submit -n4 -c2 -t 1h ./simulate --fast",
        "jobmgr submit --cc=1-100 --output=out.{cc} ./step.sh {cc}",
        "jobmgr submit --wait make test && echo passed",
        "jobmgr submit --cc=1-1000 --wait --progress ./step.sh {cc}",
        "jobmgr submit --watch -l -n4 ./simulate      its output, as run shows it",
        "jobmgr submit --setattr=exec.test.run_duration=1s true    (a simulated job)",
    ),
)
@job_options
@DRY_RUN
@click.option(
    "--cc",
    type=IdsetType(),
    help="Submit one job for each id; {cc} in the command, --input, --output, --error, --job-name "
    "and --log is replaced by the id, and FLUX_JOB_CC is set to it.",
)
@click.option("--bcc", type=IdsetType(), help="As --cc, without FLUX_JOB_CC.")
@click.option("--wait", is_flag=True, help="Wait for all jobs; exit with the largest exit code.")
@click.option("--wait-event", metavar="NAME", help="Wait until all jobs have had this event.")
@click.option("--watch", is_flag=True, help="Wait for all jobs, and show their output.")
@click.option("--progress", "bar", is_flag=True, help="Show a bar on a terminal.")
@click.option("--jps", is_flag=True, help="With --progress, show how many jobs a second.")
@click.option("--log", metavar="FILE", help="Write ids, output and errors to this file.")
@click.option("--log-stderr", metavar="FILE", help="Write errors and stderr to this file.")
@click.option("--quiet", is_flag=True, help="Print no ids.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    cc: tuple[int, ...] | None,
    bcc: tuple[int, ...] | None,
    wait_event: str | None,
    log: str | None,
    log_stderr: str | None,
    command: tuple[str, ...],
    *,
    dry_run: bool,
    wait: bool,
    watch: bool,
    bar: bool,
    jps: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a job that runs COMMAND, and print its id.

    The job is kept safe before its id is printed. It runs when there are resources for it, with
    nothing to read unless --input names a file; its output is kept with it (see: jobmgr attach), or
    goes to --output.
    """
    if cc is not None and bcc is not None:
        raise click.UsageError("Give one of --cc and --bcc.")
    if jps and not bar:
        raise click.UsageError("--jps goes with --progress.")
    given = JobOptions.of(options)
    given = given._replace(input=given.input or os.devnull)
    request = requester(given, command, told=bcc is None)
    ccs = cc or bcc or (None,)
    if dry_run:
        for one in ccs:
            print_jobspec(request(one))
        return
    if not (cc or bcc or wait or wait_event or watch or bar or log or log_stderr):
        _submit(request(None), quiet=quiet)
        return
    from jobmgrd.cli.submission.bulk import Awaiting, Bulk  # noqa: PLC0415 - imports asyncio

    view = OutputView(label=given.label_io) if watch else None
    awaiting = Awaiting(wait or watch, wait_event, view)
    bulk = Bulk(request, awaiting, bar=bar, jps=jps, quiet=quiet)
    ctx.exit(bulk.run(ccs, Log(log, log_stderr, ccs)))


def _submit(request: SubmitRequest, *, quiet: bool) -> None:
    """Submit one job of which nothing is awaited."""
    with connect() as client, about("submit"):
        id_ = client.rpc("job-ingest.submit", request, reply=SubmitReply).id
    if not quiet:
        click.echo(spelled(id_))
