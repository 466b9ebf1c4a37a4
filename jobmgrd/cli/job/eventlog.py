"""jobmgr job eventlog: the events of a job, or of its output, as text or as they are kept."""

from collections.abc import Iterator

import click

from jobmgrd.cli.archive.option import archive_flag
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.job.eventlog_view import PATHS, EventView, event_options
from jobmgrd.cli.job.outcome import WATCH
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from protocol.eventlog import decode


@click.command(
    epilog=examples(
        "jobmgr job eventlog ƒ5zHnEx",
        "jobmgr job eventlog -H ƒ5zHnEx                    with times for people",
        "jobmgr job eventlog -F ƒ5zHnEx                    until the job has ended",
        "jobmgr job eventlog -f json ƒ5zHnEx | jq .name",
    )
)
@event_options
@click.option("-F", "--follow", is_flag=True, help="Print events as they come, to the last.")
@archive_flag
@click.argument("id_", type=JOBID, metavar="JOBID")
def eventlog(
    id_: int,
    path: str,
    form: str,
    time_format: str,
    *,
    human: bool,
    follow: bool,
    from_archive: bool,
) -> None:
    """Print what happened to a job: a line an event, with its time, name and context."""
    with about(f"job {spelled(id_)}"):
        texts = _archived(id_, path) if from_archive else _texts(id_, path, follow=follow)
        if form == "json":  # as it is kept, to the byte
            for text in texts:
                click.echo(text, nl=False)
            return
        write = EventView(form, time_format, human).writer()
        for text in texts:
            for entry in decode(text.encode()):
                click.echo(write(entry))


def _texts(id_: int, path: str, *, follow: bool) -> Iterator[str]:
    """The eventlog, in one piece or as it grows."""
    with connect() as client:
        key = PATHS[path]
        if follow:
            for reply in client.stream(WATCH, {"id": id_, "path": key}):
                yield reply["event"]
        else:
            yield client.rpc("job-info.lookup", {"id": id_, "keys": [key]})[key]


def _archived(id_: int, path: str) -> Iterator[str]:
    """The eventlog of a purged job, which is complete."""
    from jobmgrd.cli.archive import archived  # noqa: PLC0415 - it imports SQLite, and more

    key = PATHS[path]
    if key not in archived.KEYS:
        raise CommandError(f"{key} is not archived: eventlog, output and input are")
    yield getattr(archived.find(id_), archived.KEYS[key])
