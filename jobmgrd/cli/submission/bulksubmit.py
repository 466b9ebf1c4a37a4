"""jobmgr bulksubmit: a job for each input, or each combination of inputs (flux-bulksubmit(1))."""

import itertools
import random
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.bulk import Bulk
from jobmgrd.cli.submission.copies import bulk_options, submits
from jobmgrd.cli.submission.inputs import Source, combinations, fill, is_mark, split
from jobmgrd.cli.submission.request import job_options

_FILLED: Final = "filled"
_DRY_RUN: Final = "--dry-run"


class BulkCommand(click.Command):
    """A command whose words are a template: they are parsed once for each job, filled in."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Fill the template in for every job, and parse each.

        Raises:
            UsageError: the template, or what it becomes, is wrong.
            CommandError: a file of inputs cannot be read.
        """
        words = list(itertools.takewhile(lambda word: not is_mark(word), args))
        if not {"-h", "--help"}.isdisjoint(words[:1]):
            return super().parse_args(ctx, words)
        given = self.make_parser(ctx).parse_args(list(words))[0]
        command = given.get("command")
        template = words if isinstance(command, tuple) and command else [*words, "{}"]
        try:
            sources = split(args[len(words) :], lambda name: _read(name, given.get("sep")))
            sources = sources or [Source(_read("-", given.get("sep")), linked=False)]
            filled = [
                [fill(word, inputs, seq) for word in template]
                for seq, inputs in enumerate(combinations(sources))
            ]
        except ValueError as error:
            raise click.UsageError(f"{error}.", ctx) from None
        if not filled:
            raise CommandError("bulksubmit: there are no inputs")
        ctx.meta[_FILLED] = [(words, self._parsed(ctx, words)) for words in filled]
        return super().parse_args(ctx, list(filled[0]))

    def _parsed(self, ctx: click.Context, words: Sequence[str]) -> dict[str, Any]:
        trial = self.context_class(
            self, info_name=ctx.info_name, parent=ctx.parent, allow_interspersed_args=False
        )
        super().parse_args(trial, list(words))
        return trial.params


def _read(name: str, sep: str | None) -> Sequence[str]:
    """The inputs in a file, or in our stdin."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeError:
        raise CommandError(f"{name}: inputs are not UTF-8") from None
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from None
    separator = None if sep == "none" else (sep or "\n").replace("\\n", "\n").replace("\\t", "\t")
    return [part for part in text.removesuffix("\n").split(separator) if part]


@click.command(
    "bulksubmit",
    cls=BulkCommand,
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "seq 1 4 | jobmgr bulksubmit echo {}",
        "jobmgr bulksubmit --wait ./test {} ::: *.c",
        "jobmgr bulksubmit -n {1} ./run {0.%} ::: a.in b.in ::: 1 2 4     every combination",
        "jobmgr bulksubmit --job-name={./%} ./convert {} {1} ::: *.png :::+ *.txt",
        "jobmgr bulksubmit --dry-run sh -c {} :::: commands    see what would be submitted",
    ),
)
@job_options
@bulk_options
@click.option(_DRY_RUN, is_flag=True, help="Submit nothing: print what would be.")
@click.option("--shuffle", is_flag=True, help="Submit in random order.")
@click.option("--sep", metavar="STRING", help="What is between inputs of a file  [default: \\n]")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def bulksubmit(
    ctx: click.Context,
    /,
    command: tuple[str, ...],  # noqa: ARG001 - of the first job
    *,
    dry_run: bool,
    shuffle: bool,
    **options: Any,  # noqa: ANN401 - the keywords of Bulk and JobOptions
) -> None:
    """Submit a job for each input: the lines of stdin, or the words after ":::".

    {} in COMMAND and options is the input; without COMMAND the inputs are commands. Several lists
    are combined, each with each, and numbered {0} {1}; one after ":::+" goes along with that before
    it. After "::::" comes a file with inputs, - is stdin; --sep=none splits it at white space.

    {.%} is the input without its extension, {./} its base name, {.//} its directory, {./%} its base
    name without extension; {seq} and {seq1} count the jobs; {cc} is as in submit.
    """
    bulk, jobs = Bulk.of(options), list(ctx.meta[_FILLED])
    if shuffle:
        random.shuffle(jobs)
    if dry_run:
        for words, _ in jobs:
            shown = shlex.join(word for word in words if word != _DRY_RUN)
            click.echo(f"bulksubmit: submit {shown}")
        return
    todo = [job for words, given in jobs for job in submits(given["command"], given)]
    ctx.exit(bulk.run(todo))
