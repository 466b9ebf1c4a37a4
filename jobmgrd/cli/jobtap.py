"""jobmgr jobtap: the plugins of the job manager, and what became of them."""

import json

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from protocol.plugins import JobtapReply


@click.group(epilog=examples("jobmgr jobtap list", "jobmgr jobtap query user-limits"))
def jobtap() -> None:
    """Look at plugins; they are loaded by the configuration (see docs/plugins.md)."""


@jobtap.command(
    "list",
    short_help="List the plugins, in the order asked.",
    epilog=examples("jobmgr jobtap list"),
)
def list_() -> None:
    """List the plugins that are loaded, in the order in which they are asked."""
    with connect() as client, about("jobtap list"):
        reply = client.rpc("job-manager.jobtap", {"query_only": True}, reply=JobtapReply)
    for name in reply.plugins:
        click.echo(name)


@jobtap.command(
    short_help="Show a plugin as JSON.",
    epilog=examples("jobmgr jobtap query user-limits", "jobmgr jobtap query x | jq"),
)
@click.argument("name")
def query(name: str) -> None:
    """Show a plugin as JSON: its hooks, its conf, how often it was asked, and its errors."""
    with connect() as client, about("jobtap query"):
        click.echo(json.dumps(client.rpc("job-manager.jobtap-query", {"name": name}), indent=2))
