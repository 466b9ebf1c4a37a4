"""jobmgr jobs: list jobs, as flux-jobs(1) does."""

from collections.abc import Sequence
from typing import Any, Final

import click

from jobmgrd.cli.archive.option import archive_flag
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about, complain
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.listing import counts
from jobmgrd.cli.listing.fields import Attributes
from jobmgrd.cli.listing.filter import Filter, filter_options
from jobmgrd.cli.listing.pages import listed
from jobmgrd.cli.listing.view import count_option, show, view, view_options
from jobmgrd.cli.words.ids import JOBID

_FILTERS: Final = frozenset(Filter._fields)


@click.command(
    epilog=examples(
        "jobmgr jobs                          your pending and running jobs",
        "jobmgr jobs -A -a -c 20              everybody's, then ended ones, the last first",
        "jobmgr jobs -f failed --since 1d     what failed since yesterday",
        "jobmgr jobs -o endreason -a          when and why jobs ended",
        "jobmgr jobs -a -o 'sort:-runtime {id.f58} {runtime!F:>8} {name}'",
        "jobmgr jobs -a --json | jq '.jobs[] | select(.result == \"FAILED\") | .jobid'",
        "while jobmgr jobs --stats-only; do sleep 2; done",
    )
)
@filter_options
@count_option
@view_options
@click.option("--stats", is_flag=True, help="Print how many jobs there are above the heading.")
@click.option("--stats-only", is_flag=True, help="The same alone; exit with 1 if none is active.")
@archive_flag
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
@click.pass_context
def jobs(
    ctx: click.Context,
    /,
    count: int,
    ids: tuple[int, ...],
    *,
    stats: bool,
    stats_only: bool,
    from_archive: bool,
    **options: Any,  # noqa: ANN401 - Filter's and View's
) -> None:
    """List jobs: the pending by priority, then the running, then the ended, the last first.

    ST is the status: D depends on another job, P waits for a priority, S waits for resources,
    R runs, C cleans up; CD completed, F failed, CA canceled, TO timed out.

    The column TIME is how long a job ran, or for a pending one its time limit. For --since and
    --before write a TIME as 2026-11-22, 2026-11-22T18:00 (local), or as what has passed since: 7d.
    """
    which = Filter(**{name: options.pop(name) for name in _FILTERS})
    how = view(**options)
    if how.as_json and (stats or stats_only):
        raise click.UsageError("--json goes with neither --stats nor --stats-only")
    if from_archive:
        if which._replace(everything=False, everybody=False).given:
            raise click.UsageError("--archive takes no filter; jobmgr archive list does")
        from jobmgrd.cli.archive import archived  # noqa: PLC0415 - it imports SQLite, and more

        archived.show_newest(ids, count, how)
        return
    if stats or stats_only:
        with connect() as client, about("jobs"):
            found = counts.summary(client, which.queue_names)
        click.echo(str(found))
        if stats_only:
            ctx.exit(0 if found.active else 1)
    if ids:
        if which.given:
            complain("jobs: JOBIDs were given, so filters are ignored")
        from jobmgrd.cli.listing.by_id import by_id  # noqa: PLC0415 - it imports asyncio

        kept, refused = by_id(ids, how.attrs)
        if kept:
            show(kept, how, single=len(ids) == 1)
        ctx.exit(1 if refused else 0)
    matching = _by_filter(which, how.attrs, count)
    show(matching[: count or None], how)
    if count and len(matching) > count and not how.no_header and not how.as_json:
        complain(f"jobs: there are more than {count}; --count or a filter shows others")


def _by_filter(which: Filter, attrs: Sequence[str], count: int) -> Sequence[Attributes]:
    """The jobs that match; one more than `count` if there are more."""
    with connect() as client, about("jobs"):
        return listed(client, which.constraint(), attrs, count + 1 if count else 0)
