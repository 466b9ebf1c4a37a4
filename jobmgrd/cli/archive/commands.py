"""jobmgr archive: purged jobs, listed, shown in full, or exported; needs no daemon."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from jobmgrd.archive import export as jsonl
from jobmgrd.archive import parquet
from jobmgrd.archive.record import ArchivedJob
from jobmgrd.cli.archive import archived
from jobmgrd.cli.archive.filter import chosen, filters
from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.listing.view import VIEW, count_option, view, view_options
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.when import iso
from protocol.job import Result

TEXTS: Final = ("jobspec", "R", "eventlog", "output", "input")

WRITERS: Final[dict[str, Callable[[Iterable[ArchivedJob], BinaryIO], int]]] = {
    "jsonl": jsonl.write_lines,
    "parquet": parquet.write_table,
}


@click.group()
@click.option(
    "--archive",
    "path",
    type=click.Path(path_type=Path),
    envvar=archived.VARIABLE,
    metavar="PATH",
    help="The file  [default: $JOBMGRD_ARCHIVE, then what the daemon says, then archive.sqlite in"
    " the default state directory]",
)
@click.pass_context
def archive(ctx: click.Context, path: Path | None) -> None:
    """Look into the archive of purged jobs, while the daemon runs or without one."""
    ctx.obj = path


@archive.command(
    "list",
    epilog=examples(
        "jobmgr archive list --since 7d --result failed",
        "jobmgr archive list --json --since 2026-01-01 --before 2026-02-01 | jq '.jobs | length'",
    ),
)
@count_option
@view_options
@filters
@click.pass_obj
def list_(
    path: Path | None,
    /,
    count: int,
    **options: Any,  # noqa: ANN401 - View's and Filter's
) -> None:
    """List archived jobs, the last to end first, as jobmgr jobs does."""
    how = view(**{name: options.pop(name) for name in VIEW})
    with archived.reader(path) as reader:
        archived.show_jobs(reader.newest(chosen(**options), count or None), how)


@archive.command(
    epilog=examples(
        "jobmgr archive show ƒ5zHnEx", "jobmgr archive show --json ƒ5zHnEx | jq .jobspec.tasks"
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, eventlogs and all.")
@click.argument("id_", type=JOBID, metavar="JOBID")
@click.pass_obj
def show(path: Path | None, id_: int, *, as_json: bool) -> None:
    """Print all that is archived of a job."""
    job = archived.find(id_, path)
    if as_json:
        click.echo(json.dumps(json.loads(jsonl.as_json(job)), indent=2, ensure_ascii=False))
        return
    record = {name: value for name, value in msgspec.structs.asdict(job).items() if value != ""}
    texts = {name: record.pop(name) for name in TEXTS if name in record}
    record["id"] = f"{spelled(job.id)} ({job.id})"
    record["result"] = Result(job.result).name
    record |= {name: iso(record[name], "milliseconds") for name in record if name.startswith("t_")}
    for name, value in record.items():
        click.echo(f"{name + ':':<12}{value}")
    for name, value in texts.items():
        click.echo(f"{name}:\n{value}", nl=not str(value).endswith("\n"))


@archive.command(
    short_help="Write archived jobs to a file.",
    epilog=examples(
        "jobmgr archive export --before 2026-01-01 --output 2025.jsonl",
        "jobmgr archive export --user alice | jq -c '[.id, .eventlog[-1].timestamp]'",
        "jobmgr archive export --format parquet --output jobs.parquet",
    ),
)
@click.option(
    "--format", "form", type=click.Choice(list(WRITERS)), default="jsonl", help="[default: jsonl]"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Appears once it is complete  [default: stdout]",
)
@filters
@click.pass_obj
def export(path: Path | None, /, form: str, output: Path | None, **conditions: Any) -> None:  # noqa: ANN401
    """Write archived jobs, the first to end first, as JSON lines or Parquet.

    In JSON lines each job is an object in which jobspec, R, eventlog, output and input are JSON.
    Parquet needs pyarrow: pip install 'jobmgrd[parquet]'.
    """
    with archived.reader(path) as reader, _complete(output) as file:
        try:
            count = WRITERS[form](reader.all(chosen(**conditions)), file)
        except parquet.PyarrowMissingError as error:
            raise CommandError(str(error)) from error
    click.echo(f"exported {count} jobs", err=True)


@contextmanager
def _complete(output: Path | None) -> Iterator[BinaryIO]:
    """A file that gets its name once all is written; stdout if there is no name."""
    if output is None:
        yield sys.stdout.buffer
        return
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
