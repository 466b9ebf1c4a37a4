"""jobmgr housekeeping list, kill: the commands that run after jobs."""

import time

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.job.change import signal_option
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.text_table import lines
from jobmgrd.cli.words.fsd import brief
from jobmgrd.cli.words.ids import JOBID, spelled
from protocol import idset, jobid
from protocol.errors import FormatError


@click.command("list", epilog=examples("jobmgr housekeeping list"))
def list_() -> None:
    """List the jobs whose resources are not free yet, with their ranks."""
    with connect() as client:
        running = client.rpc("job-manager.stats-get")["housekeeping"]["running"]
    rows = [
        [spelled(jobid.parse(id_)), brief(max(time.time() - job["t_start"], 0.0)), job["pending"]]
        for id_, job in running.items()
    ]
    for line in lines(["JOBID", "RUNTIME", "RANKS"], rows):
        click.echo(line)


@click.command(
    epilog=examples(
        "jobmgr housekeeping kill -j ƒ5zHnEx",
        "jobmgr housekeeping kill -s KILL --all",
        "jobmgr housekeeping kill -t 0-3",
    )
)
@signal_option
@click.option("-t", "--targets", metavar="RANKS", help="Those on these ranks.")
@click.option("-j", "--jobid", "id_", type=JOBID, metavar="JOBID", help="Those of this job.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
def kill(signum: int, targets: str | None, id_: int | None, *, everything: bool) -> None:
    """Send a signal to commands that run after jobs.

    One that is ended so has failed: its nodes are drained.
    """
    if targets is None and id_ is None and not everything:
        raise click.UsageError("give one of --targets, --jobid and --all")
    if everything and id_ is not None:
        raise click.UsageError("--all and --jobid do not go together")
    if targets is not None:
        try:
            idset.parse(targets)
        except FormatError as error:
            raise click.BadParameter(str(error), param_hint="'--targets'") from error
    request = {"signum": signum, "jobid": id_, "ranks": targets}
    with connect() as client:
        client.rpc("job-manager.housekeeping-kill", request)
