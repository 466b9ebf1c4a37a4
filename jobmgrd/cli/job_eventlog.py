"""jobmgr job eventlog: the events of a job, or of its output, as text or as they are kept."""

import json
from collections.abc import Callable, Iterator
from typing import Final

import click

from jobmgrd.cli import archived
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.ids import JOBID, spelled
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.outcome import WATCH
from jobmgrd.cli.when import iso
from protocol.eventlog import Entry, decode

_PATHS: Final = {"eventlog": "eventlog", "output": "guest.output", "guest.output": "guest.output"}


@click.command(
    epilog=examples(
        "jobmgr job eventlog ƒ5zHnEx",
        "jobmgr job eventlog -F ƒ5zHnEx                    until the job has ended",
        "jobmgr job eventlog -f json ƒ5zHnEx | jq .name",
    )
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="text, or JSON lines as they are kept  [default: text]",
)
@click.option(
    "-T",
    "--time-format",
    type=click.Choice(["offset", "raw", "iso"]),
    default="offset",
    help="Seconds since the first event, UNIX time, or local time  [default: offset]",
)
@click.option("-F", "--follow", is_flag=True, help="Print events as they come, to the last.")
@click.option(
    "-p",
    "--path",
    type=click.Choice(list(_PATHS)),
    default="eventlog",
    help="Which eventlog  [default: eventlog]",
)
@archived.archive_flag
@click.argument("id_", type=JOBID, metavar="JOBID")
def eventlog(
    id_: int, form: str, time_format: str, path: str, *, follow: bool, from_archive: bool
) -> None:
    """Print what happened to a job: a line an event, with its time, name and context."""
    with about(f"job {spelled(id_)}"):
        texts = _archived(id_, path) if from_archive else _texts(id_, path, follow=follow)
        if form == "json":
            for text in texts:
                click.echo(text, nl=False)
            return
        stamp: Callable[[float], str] | None = None
        for text in texts:
            for entry in decode(text.encode()):
                stamp = stamp or _stamps(time_format, entry.timestamp)
                click.echo(_line(entry, stamp))


def _texts(id_: int, path: str, *, follow: bool) -> Iterator[str]:
    """The eventlog, in one piece or as it grows."""
    with connect() as client:
        key = _PATHS[path]
        if follow:
            for reply in client.stream(WATCH, {"id": id_, "path": key}):
                yield reply["event"]
        else:
            yield client.rpc("job-info.lookup", {"id": id_, "keys": [key]})[key]


def _archived(id_: int, path: str) -> Iterator[str]:
    """The eventlog of a purged job, which is complete."""
    job = archived.find(id_)
    yield job.eventlog if path == "eventlog" else job.output


def _line(entry: Entry, stamp: Callable[[float], str]) -> str:
    context = (
        f"{key}={json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for key, value in (entry.context or {}).items()
    )
    return " ".join((stamp(entry.timestamp), entry.name, *context))


def _stamps(form: str, first: float) -> Callable[[float], str]:
    """How to write a time; `first` is that of the first event."""
    if form == "raw":
        return lambda t: f"{t:.6f}"
    if form == "iso":
        return lambda t: iso(t, "microseconds")
    return lambda t: f"{t - first:.6f}"
