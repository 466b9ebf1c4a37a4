"""jobmgr job purge: remove old inactive jobs, after saying which that would be."""

from typing import Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.job.purging import Purging
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.fsd import FSD, brief
from jobmgrd.cli.words.ids import JOBID
from protocol.job_manager import StatsReply

BATCH: Final = 100
"""Jobs a request may purge, and ids it may name."""

_NO_LIMIT: Final = """\
nothing to purge: no limit was given, and {inactive} inactive jobs are kept
the daemon purges by itself by the limits of [job-manager]: age {age}, number {num}
pinned jobs, which no limit purges: {pins}
to see what a limit would purge:
  jobmgr job purge --age-limit=7d         jobs that ended more than 7 days ago
  jobmgr job purge --num-limit=1000       all but the last 1000 jobs
  jobmgr job purge --all                  all inactive jobs but the pinned ones
add --list to see each of them, --force to purge them"""


@click.command(
    epilog=examples(
        "jobmgr job purge --age-limit=7d             see how many would go",
        "jobmgr job purge --age-limit=7d --list      see which, and why",
        "jobmgr job purge --age-limit=7d --force     jobs that ended more than 7 days ago",
        "jobmgr job purge --num-limit=1000 --force   all but the last 1000 jobs",
        "jobmgr job purge --force ƒ5zHnEx            this job",
    )
)
@click.option("--age-limit", type=FSD, help="Purge jobs that ended longer ago than this.")
@click.option(
    "--num-limit",
    type=click.IntRange(min=0),
    metavar="N",
    help="Purge the oldest jobs until N are left.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Purge all inactive jobs but the pinned ones."
)
@click.option("-f", "--force", is_flag=True, help="Purge for good; without it, count, or list.")
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH),
    default=BATCH,
    metavar="N",
    help=f"Purge at most N jobs a request  [default: {BATCH}]",
)
@click.option(
    "-l", "--list", "listing", is_flag=True, help="Print each job that goes, or would, and why."
)
@click.option("-v", "--verbose", is_flag=True, help="Tell of every request.")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
@click.pass_context
def purge(
    ctx: click.Context,
    ids: tuple[int, ...],
    age_limit: float | None,
    num_limit: int | None,
    batch: int,
    *,
    everything: bool,
    force: bool,
    listing: bool,
    verbose: bool,
) -> None:
    """Purge inactive jobs that exceed a limit, or those with these JOBIDs.

    Without --force nothing is purged: the command tells how many jobs would be. Active jobs are
    never purged, pinned ones only by JOBID. With both limits, jobs that exceed either of them go.
    What goes is archived first, if the daemon keeps an archive (see jobmgr archive).
    """
    given = [bool(ids), everything, age_limit is not None or num_limit is not None]
    if sum(given) > 1:
        raise click.UsageError("give limits, --all or JOBIDs, but only one of them")
    if listing and not (everything or given[2]):
        raise click.UsageError("--list goes with limits or --all")
    if age_limit is not None and age_limit < 0:
        raise click.UsageError("--age-limit must be >= 0")
    with connect() as client, about("job purge"):
        run = Purging(client, batch=batch, force=force, listing=listing, verbose=verbose)
        if ids:
            run.by_id(list(dict.fromkeys(ids)))
        elif everything:
            run.by_limits({"num_limit": 0}, everything=True)
        elif given[2]:
            limits = {"age_limit": age_limit, "num_limit": num_limit}
            run.by_limits({key: value for key, value in limits.items() if value is not None})
        else:
            click.echo(_explained(run.stats()))
    ctx.exit(1 if run.failed else 0)


def _explained(stats: StatsReply) -> str:
    """What to type, and what is purged anyway."""
    age, num = stats.purge.age_limit, stats.purge.num_limit
    return _NO_LIMIT.format(
        inactive=stats.inactive_jobs,
        age=brief(age) if age >= 0 else "unlimited",
        num=num if num >= 0 else "unlimited",
        pins=stats.purge.pins,
    )
