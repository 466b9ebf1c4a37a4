"""jobmgr job id: spell job ids in another way; needs no daemon."""

import sys
from typing import Final, get_args

import click

from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from protocol import jobid
from protocol.jobid import Spelling

SPELLINGS: Final = get_args(Spelling)


@click.command(
    "id",
    epilog=examples(
        "jobmgr job id --to=dec ƒ5zHnEx",
        "jobmgr job id --to=words ƒ5zHnEx              to read it out",
        "jobmgr jobs -a --json | jq '.jobs[].id' | jobmgr job id",
    ),
)
@click.option("--to", type=click.Choice(SPELLINGS), default="f58", help="[default: f58]")
@click.argument("ids", nargs=-1, type=JOBID, metavar="[JOBID]...")
def id_(ids: tuple[int, ...], to: Spelling) -> None:
    """Print each JOBID, from stdin if none is given, in the spelling of --to (RFC 19)."""
    found = ids or [JOBID.convert(word, None, None) for word in sys.stdin.read().split()]
    for number in found:
        click.echo(spelled(number) if to == "f58" else jobid.encode(number, to))
