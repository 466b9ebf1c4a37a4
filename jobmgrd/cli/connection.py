"""Where commands get their connection to the daemon: --uri, else $JOBMGRD_URI, else the default."""

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from jobmgrd.client import BlockingClient, Client

_URI: Final = "jobmgrd.uri"


def uri_option(*, hidden: bool = False) -> click.Option:
    """The option --uri. What it is given holds for the whole command line."""
    return click.Option(
        ["--uri"],
        metavar="URI",
        expose_value=False,
        hidden=hidden,
        callback=_remember,
        help="Run directory or endpoint of the daemon  "
        "[default: $JOBMGRD_URI, then $XDG_RUNTIME_DIR/jobmgrd; root: /run/jobmgrd]",
    )


def connect() -> "BlockingClient":
    """A client for commands that ask one thing after another; a context manager."""
    from jobmgrd.client import BlockingClient  # noqa: PLC0415 - --help needs no ZeroMQ

    return BlockingClient(_uri())


def connect_async() -> "Client":
    """A client for commands that ask many things at once; an async context manager."""
    from jobmgrd.client import Client  # noqa: PLC0415 - --help needs no ZeroMQ

    return Client(_uri())


def _remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[_URI] = value


def _uri() -> str | None:
    uri: str | None = click.get_current_context().meta.get(_URI)
    return uri
