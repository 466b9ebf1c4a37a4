"""jobmgr keygen: a CURVE key for a client or for the daemon; needs no daemon."""

import getpass
from pathlib import Path
from typing import Final

import click

from jobmgrd import curve
from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.lazy import examples

ROLES: Final = ("user", "admin", "owner")


@click.command(
    epilog=examples(
        "jobmgr keygen --server /etc/jobmgrd/server.key    the daemon's, named by [curve]",
        "jobmgr keygen ~/.config/jobmgrd.key               your own",
    )
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--server", is_flag=True, help="The key of a daemon, which stands for no user.")
@click.option("--user", metavar="NAME", help="Who holds it  [default: you]")
@click.option(
    "--role", type=click.Choice(ROLES), help="What it lets its holder do  [default: user]"
)
def keygen(path: Path, user: str | None, role: str | None, *, server: bool) -> None:
    """Make a key: PATH is secret, mode 0600, and PATH.pub is for the other side.

    A daemon lets a client in whose PATH.pub is in its directory of [curve] clients. What user and
    role are written there is for its owner to check. Nothing is overwritten.
    """
    if server and (user or role):
        raise click.UsageError("--server goes without --user and --role")
    about = {} if server else {"user": user or getpass.getuser(), "role": role or "user"}
    if any('"' in value or not value.isprintable() for value in about.values()):
        raise click.UsageError("--user is not a name")
    try:
        public = curve.write(path, curve.generate(), about)
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror}") from error
    click.echo(f"{path} is secret: keep it where it is")
    aim = "clients, as --server-key" if server else "the daemon's owner, for [curve] clients"
    click.echo(f"{public} is public: give it to {aim}")
