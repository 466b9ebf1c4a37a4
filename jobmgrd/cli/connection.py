"""Where commands get their connection to the daemon: --uri, else $JOBMGRD_URI, else the default."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from jobmgrd.client import BlockingClient, Client

_GIVEN: Final = "jobmgrd."
_KEYS: Final = {
    "key": "Your key, for a daemon over tcp://, mode 0600  [default: $JOBMGRD_KEY]",
    "server-key": "The daemon's public key  [default: $JOBMGRD_SERVER_KEY]",
}


def uri_option(*, hidden: bool = False) -> click.Option:
    """The option --uri. What it is given holds for the whole command line."""
    return click.Option(
        ["--uri"],
        metavar="URI",
        expose_value=False,
        hidden=hidden,
        callback=_remember,
        help="Run directory or endpoint of the daemon: local://, ipc:// or tcp://  "
        "[default: $JOBMGRD_URI, then $XDG_RUNTIME_DIR/jobmgrd; root: /run/jobmgrd]",
    )


def key_options() -> list[click.Option]:
    """The options --key and --server-key, for a daemon over tcp."""
    return [
        click.Option(
            [f"--{name}"],
            metavar="FILE",
            expose_value=False,
            callback=_remember,
            help=help,
        )
        for name, help in _KEYS.items()
    ]


def connect() -> "BlockingClient":
    """A client for commands that ask one thing after another; a context manager."""
    from jobmgrd.client import BlockingClient  # noqa: PLC0415 - --help needs no ZeroMQ

    return BlockingClient(_given("uri"), key=_given("key"), server_key=_given("server_key"))


def connect_async() -> "Client":
    """A client for commands that ask many things at once; an async context manager."""
    from jobmgrd.client import Client  # noqa: PLC0415 - --help needs no ZeroMQ

    return Client(_given("uri"), key=_given("key"), server_key=_given("server_key"))


def place() -> Path | None:
    """The run directory that commands use; None if the daemon is elsewhere."""
    from jobmgrd.client.uri import find  # noqa: PLC0415 - --help needs no endpoints

    return find(_given("uri"), key=_given("key"), server_key=_given("server_key")).rundir


def _remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[f"{_GIVEN}{parameter.name}"] = value


def _given(name: str) -> str | None:
    value: str | None = click.get_current_context().meta.get(f"{_GIVEN}{name}")
    return value
