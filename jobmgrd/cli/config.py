"""jobmgr config: what is configured, and changes of it while the daemon runs."""

import json
from pathlib import Path

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.json_path import lookup
from jobmgrd.config.errors import ConfigError
from jobmgrd.config.files import read


@click.group()
def config() -> None:
    """Show the daemon's configuration, or change it while it runs."""


@config.command(
    epilog=examples("jobmgr config get", "jobmgr config get job-manager.inactive-age-limit")
)
@click.argument("key", required=False, metavar="[KEY.PATH]")
def get(key: str | None) -> None:
    """Print the configuration, or one key of it, as JSON. What is not set has its default."""
    with connect() as client, about("config get"):
        tables = client.rpc("config.get")
    click.echo(json.dumps(lookup(tables, key) if key else tables, indent=2))


@config.command(
    short_help="Have the daemon read its files again.", epilog=examples("jobmgr config reload")
)
def reload() -> None:
    """Have the daemon read its files again; an error in them changes nothing."""
    with connect() as client, about("config reload"):
        client.rpc("config.reload")


@config.command(
    short_help="Replace the configuration until the next reload.",
    epilog=examples("jobmgr config load tight-limits.toml"),
)
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="FILE")
def load(path: Path) -> None:
    """Replace the configuration by a TOML file, or a directory of *.toml, until the next reload."""
    try:
        tables = read(path).raw
    except ConfigError as error:
        raise CommandError(str(error)) from error
    with connect() as client:
        client.rpc("config.load", tables)
