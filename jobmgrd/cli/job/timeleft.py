"""jobmgr job timeleft: how long a job may still run."""

import math
import time
from typing import Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from protocol import duration
from protocol.job import State
from protocol.job_list import IdReply, IdRequest

UNLIMITED: Final = 2**32 - 1
"""What a program reads if there is no limit, as with Flux."""


@click.command(
    epilog=examples(
        "jobmgr job timeleft                 of the job that this runs in",
        "jobmgr job timeleft -H ƒ5zHnEx      for people: 2.5h, infinity",
    )
)
@click.option("-H", "--human", is_flag=True, help="Print a duration instead of seconds.")
@click.argument("id_", type=JOBID, required=False, envvar="FLUX_JOB_ID", metavar="[JOBID]")
def timeleft(id_: int | None, *, human: bool) -> None:
    """Print how many seconds a running job has left; 0 if it has ended.

    4294967295 stands for a job without a time limit.
    """
    left = math.inf if id_ is None else _left(id_)
    if human:
        click.echo(duration.format(left))
    else:
        click.echo(UNLIMITED if math.isinf(left) else int(left) or int(left > 0))


def _left(id_: int) -> float:
    request = IdRequest(id_, ("state", "expiration"))
    with connect() as client, about(f"job {spelled(id_)}"):
        job = client.rpc("job-list.list-id", request, reply=IdReply).job
    if job["state"] & State.PENDING:
        raise CommandError(f"job {spelled(id_)}: job has not started")
    if job["state"] == State.INACTIVE:
        return 0.0
    expiration: float = job.get("expiration", 0.0)
    return max(0.0, expiration - time.time()) if expiration else math.inf
