"""jobmgr job info: one key of what is kept of a job, as it is kept."""

import click

from jobmgrd.cli.archive.option import archive_flag
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled


@click.command(
    epilog=examples(
        "jobmgr job info ƒ5zHnEx jobspec | jq .tasks",
        "jobmgr job info ƒ5zHnEx R",
        "jobmgr job info ƒ5zHnEx guest.output",
    )
)
@archive_flag
@click.argument("id_", type=JOBID, metavar="JOBID")
@click.argument("key")
def info(id_: int, key: str, *, from_archive: bool) -> None:
    """Print what is kept of a job under KEY.

    KEY is jobspec, what was submitted (JSON, RFC 25); R, the resources it was given (JSON,
    RFC 20); eventlog, what happened to it (JSON lines, RFC 18); guest.exec.eventlog, what its
    processes did; guest.output, what it wrote (JSON lines, RFC 24; jobmgr attach shows it as it
    was written); or J, the signed request.
    """
    what = f"job {spelled(id_)}"
    if from_archive:
        from jobmgrd.cli.archive import archived  # noqa: PLC0415 - it imports SQLite, and more

        text = getattr(archived.find(id_), archived.KEYS.get(key, ""), None)
    else:
        with connect() as client, about(what):
            text = client.rpc("job-info.lookup", {"id": id_, "keys": [key]}).get(key)
    if not isinstance(text, str):
        raise CommandError(f"{what}: has no {key}")
    click.echo(text, nl=not text.endswith("\n"))
