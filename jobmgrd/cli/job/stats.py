"""jobmgr job stats: the counts of job-list, for programs; jobmgr jobs --stats is for people."""

import json

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples


@click.command(
    epilog=examples(
        "jobmgr job stats | jq .job_states",
        "jobmgr jobs --stats-only                 the same in one line for people",
    )
)
def stats() -> None:
    """Print how many jobs there are, by state, result and queue, as a JSON object (RFC 43)."""
    with connect() as client, about("job stats"):
        reply = client.rpc("job-list.job-stats")
    click.echo(json.dumps(reply))
