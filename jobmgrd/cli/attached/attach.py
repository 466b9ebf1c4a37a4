"""jobmgr attach: show a job's output, from its beginning, and be attached to it until it ends."""

import asyncio

import click

from jobmgrd.cli.attached.output import OutputView
from jobmgrd.cli.attached.session import Attachment, attach
from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.word import Word
from protocol import idset

DEFAULT_TAIL = 10


class RanksType(Word[str]):
    """Ranks of tasks: "all", or an idset."""

    name = "RANKS"

    def read(self, text: str) -> str:
        """The same text."""
        if text != "all":
            idset.parse(text)
        return text


@click.command(
    "attach",
    epilog=examples(
        "jobmgr attach ƒ5zHnEx",
        "jobmgr attach --tail -r ƒ5zHnEx              the last lines, and those to come",
        "jobmgr attach -E ƒ5zHnEx                     its events, too",
    ),
)
@click.option("-l", "--label-io", is_flag=True, help="Prefix lines with the task's rank.")
@click.option("-E", "--show-events", is_flag=True, help="Show the job's events on stderr.")
@click.option("-X", "--show-exec", is_flag=True, help="Show the events of its execution, too.")
@click.option("-w", "--wait-event", metavar="NAME", help="Leave the job to itself at this event.")
@click.option("-r", "--read-only", is_flag=True, help="Neither read stdin nor catch signals.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing of our own on stderr.")
@click.option(
    "-i",
    "--stdin-ranks",
    type=RanksType(),
    default="all",
    help="Tasks that get our stdin  [default: all]",
)
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    is_flag=False,
    flag_value=DEFAULT_TAIL,
    metavar="[N]",
    help=f"Show of earlier output the last N pieces only  [default: {DEFAULT_TAIL}]",
)
@click.argument("id_", type=JOBID, metavar="JOBID")
@click.pass_context
def attach_(
    ctx: click.Context,
    /,
    id_: int,
    wait_event: str | None,
    stdin_ranks: str,
    tail: int | None,
    *,
    label_io: bool,
    show_events: bool,
    show_exec: bool,
    read_only: bool,
    quiet: bool,
) -> None:
    """Show the output of a job, send it our stdin, and exit with its exit code.

    Of two Ctrl-C within two seconds the second cancels the job; Ctrl-C and then Ctrl-Z leaves it to
    itself. A job that has ended shows what it wrote.
    """
    how = Attachment(
        OutputView(label=label_io, quiet=quiet, tail=tail),
        until=wait_event,
        ranks=None if read_only else stdin_ranks,
        signals=not read_only,
        show_events=show_events,
        show_exec=show_exec,
    )

    async def main() -> int:
        async with connect_async() as client:
            with about(f"attach {spelled(id_)}"):
                return await attach(client, id_, how)

    ctx.exit(asyncio.run(main()))
