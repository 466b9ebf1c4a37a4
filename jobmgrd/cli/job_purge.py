"""jobmgr job purge: remove old inactive jobs, after saying how many that would be.

Every line tells what has happened, what would happen, or what to type next.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about, complain
from jobmgrd.cli.fsd import FSD
from jobmgrd.cli.ids import JOBID, spelled
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.progress import progress
from jobmgrd.client import BlockingClient
from protocol.errors import RpcError

BATCH: Final = 100
"""Jobs a request may purge, and ids it may name."""

_NO_LIMIT: Final = """\
nothing to purge: no limit was given, and {inactive} inactive jobs are kept
to see what a limit would purge:
  jobmgr job purge --age-limit=7d         jobs that ended more than 7 days ago
  jobmgr job purge --num-limit=1000       all but the last 1000 jobs
  jobmgr job purge --all                  all inactive jobs
add --force to purge them"""


@click.command(
    epilog=examples(
        "jobmgr job purge --age-limit=7d             see what would go",
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
@click.option("--all", "everything", is_flag=True, help="Purge all inactive jobs.")
@click.option("-f", "--force", is_flag=True, help="Purge for good; without it, only count.")
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH),
    default=BATCH,
    metavar="N",
    help=f"Purge at most N jobs a request  [default: {BATCH}]",
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
    verbose: bool,
) -> None:
    """Purge inactive jobs that exceed a limit, or those with these JOBIDs.

    Without --force nothing is purged: the command tells how many jobs would be. Active jobs are
    never purged. With both limits, jobs that exceed either of them go.
    """
    given = [bool(ids), everything, age_limit is not None or num_limit is not None]
    if sum(given) > 1:
        raise click.UsageError("give limits, --all or JOBIDs, but only one of them")
    if age_limit is not None and age_limit < 0:
        raise click.UsageError("--age-limit must be >= 0")
    with connect() as client, about("purge"):
        run = _Purge(client, batch=batch, force=force, verbose=verbose)
        if ids:
            run.by_id(list(dict.fromkeys(ids)))
        elif everything:
            run.by_limits({"num_limit": 0})
        elif given[2]:
            limits = {"age_limit": age_limit, "num_limit": num_limit}
            run.by_limits({key: value for key, value in limits.items() if value is not None})
        else:
            click.echo(_NO_LIMIT.format(inactive=run.inactive()))
    ctx.exit(1 if run.failed else 0)


class _Purge:
    """One purge: what it has done so far is told however it ends."""

    def __init__(self, client: BlockingClient, *, batch: int, force: bool, verbose: bool) -> None:
        self._client = client
        self._batch = batch
        self._force = force
        self._verbose = verbose
        self.failed = False

    def inactive(self) -> int:
        """The number of inactive jobs that are kept."""
        count: int = self._client.rpc("job-manager.stats-get")["inactive_jobs"]
        return count

    def by_limits(self, limits: Mapping[str, float]) -> None:
        """Purge what exceeds the limits, in batches; or count it."""
        request = {**limits, "batch": self._batch}

        def eligible() -> int:
            count: int = self._client.rpc("job-manager.purge", request)["count"]
            return count

        if not self._force:
            self._propose(eligible(), "none of {} inactive jobs exceeds the limits")
            return
        total, done = 0, False
        try:
            with progress("purging", eligible) as advance:
                while not done:
                    reply = self._client.rpc("job-manager.purge", {**request, "force": True})
                    total += reply["count"]
                    done = reply["count"] < self._batch
                    advance(reply["count"])
                    self._tell(reply)
        finally:
            if done:
                click.echo(f"purged {total} inactive jobs, {self.inactive()} remaining")
            else:
                complain(f"purge stopped early: {total} inactive jobs were purged before")

    def by_id(self, ids: Sequence[int]) -> None:
        """Purge these jobs, or count those that can be; an id that cannot be is named."""
        total = 0
        with progress("purging", lambda: len(ids)) as advance:
            for first in range(0, len(ids), self._batch):
                group = ids[first : first + self._batch]
                total += self._group(group)
                advance(len(group))
        if self._force:
            click.echo(f"purged {total} inactive jobs, {self.inactive()} remaining")
        else:
            self._propose(total, "none of these ids is one of {} inactive jobs")

    def _group(self, ids: Sequence[int]) -> int:
        """Purge all of a group, or, since one refusal is for all, ask again for each id."""
        try:
            reply = self._client.rpc("job-manager.purge-id", {"ids": ids, "force": self._force})
        except RpcError as error:
            if len(ids) > 1:
                return sum(self._group([id_]) for id_ in ids)
            self.failed = True
            complain(f"purge {spelled(ids[0])}: {error}")
            return 0
        self._tell(reply)
        count: int = reply["count"]
        return count

    def _propose(self, count: int, nothing: str) -> None:
        inactive = self.inactive()
        if count:
            click.echo(f"use --force to purge {count} of {inactive} inactive jobs")
        elif inactive:
            click.echo(f"nothing to purge: {nothing.format(inactive)}")
        else:
            click.echo("nothing to purge: there are no inactive jobs")

    def _tell(self, reply: Mapping[str, Any]) -> None:
        if self._verbose and self._force and reply["count"]:
            click.echo(f"purged {reply['count']} inactive jobs (purge-log seq {reply.get('seq')})")
