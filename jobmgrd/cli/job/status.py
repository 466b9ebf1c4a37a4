"""jobmgr job status: wait until jobs have ended, say how, and exit as the worst of them."""

import asyncio
import json
import math
from collections.abc import Sequence

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.job import ending
from jobmgrd.cli.job.outcome import exit_code
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.listing import json_job
from jobmgrd.cli.listing.fields import Attributes
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.words.ids import JOBID, spelled
from protocol.errors import RpcError
from protocol.job import State
from protocol.job_list import ALL, IdReply, IdRequest


@click.command(
    epilog=examples(
        "jobmgr job status ƒ5zHnEx ƒ5zJ3Xh && echo all went well",
        "jobmgr job status -v ƒ5zHnEx                  and how it ended",
        "jobmgr job status --json ƒ5zHnEx | jq .result",
    )
)
@click.option(
    "-e",
    "--exception-exit-code",
    "fatal_code",
    type=click.IntRange(0, 255),
    metavar="N",
    default=1,
    help="Exit with this for jobs that an exception ended  [default: 1]",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print all that is known, a line each.")
@click.option("-v", "--verbose", is_flag=True, help="Print how each job ended.")
@click.argument("ids", nargs=-1, required=True, type=JOBID, metavar="JOBID...")
@click.pass_context
def status(
    ctx: click.Context, ids: tuple[int, ...], fatal_code: int, *, as_json: bool, verbose: bool
) -> None:
    """Wait until jobs have ended; exit with the largest of their exit codes.

    A job's exit code is 128 + N if signal N ended it; an exception counts, too (see -e).
    """
    codes = []
    for id_, answer in zip(ids, asyncio.run(_ask(ids)), strict=True):
        if isinstance(answer, RpcError):
            complain(f"job {spelled(id_)}: {answer}")
            codes.append(1)
            continue
        job = answer.job
        if as_json:
            click.echo(json.dumps(json_job.as_object(job, 0.0)))
        elif verbose:
            click.echo(f"{spelled(id_)}: {ending.reason(job)}")
        codes.append(_code(job, fatal_code))
    ctx.exit(max(codes))


async def _ask(ids: Sequence[int]) -> list[IdReply | RpcError]:
    async with connect_async() as client:
        return await each(
            lambda id_: client.rpc(
                "job-list.list-id",
                IdRequest(id_, [ALL], int(State.INACTIVE)),
                timeout=math.inf,
                reply=IdReply,
            ),
            ids,
        )


def _code(job: Attributes, fatal_code: int) -> int:
    code = exit_code(job["waitstatus"]) if "waitstatus" in job else 0
    fatal = job.get("exception_occurred") and job.get("exception_severity") == 0
    return max(code, fatal_code) if fatal else code
