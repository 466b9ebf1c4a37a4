"""jobmgr submit: take jobs in, many at once if asked to, and print their ids."""

from typing import Any, Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.copies import bulk_options, submits
from jobmgrd.cli.submission.request import DRY_RUN, job_options, print_jobspec
from jobmgrd.cli.words.ids import spelled
from protocol.job_manager import SubmitReply, SubmitRequest


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
@bulk_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    command: tuple[str, ...],
    *,
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - the keywords of Bulk and JobOptions
) -> None:
    """Submit a job that runs COMMAND, and print its id.

    The job is kept safe before its id is printed. It runs when there are resources for it, with
    nothing to read unless --input names a file; its output is kept with it (see: jobmgr attach), or
    goes to --output.
    """
    jobs = list(submits(command, options))
    if dry_run:
        for job in jobs:
            print_jobspec(job.request(job.cc))
    elif not any(options[name] for name in _AWAITED):
        _submit(jobs[0].request(None), quiet=options["quiet"])
    else:
        from jobmgrd.cli.submission.bulk import Bulk  # noqa: PLC0415 - imports asyncio

        ctx.exit(Bulk.of(options).run(jobs))


_AWAITED: Final = ("cc", "bcc", "wait", "wait_event", "watch", "bar", "jps", "log", "log_stderr")
"""The options that ask for more than one job and its id."""


def _submit(request: SubmitRequest, *, quiet: bool) -> None:
    """Submit one job of which nothing is awaited."""
    with connect() as client, about("submit"):
        id_ = client.rpc("job-ingest.submit", request, reply=SubmitReply).id
    if not quiet:
        click.echo(spelled(id_))
