"""Jobs on the terminal: the options that say how to list them, and the listing."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

import click

from jobmgrd.cli.listing import formats, json_job
from jobmgrd.cli.listing.fields import STATUS_ATTRS, Attributes, status_abbrev
from jobmgrd.cli.listing.formats import JobFormat, SortKey
from jobmgrd.cli.listing.named_formats import FORMAT
from jobmgrd.cli.words.word import Word
from protocol.job_list import ALL

C = TypeVar("C", bound=Callable[..., Any])
When = Literal["auto", "always", "never"]

_COLORS: Final = {"R": "green", "C": "yellow", "F": "red", "TO": "red", "CA": "bright_black"}


COUNT: Final = 1000
"""Jobs listed unless --count says otherwise, as flux-jobs has it."""

count_option: Final = click.option(
    "-c",
    "--count",
    type=click.IntRange(min=0),
    metavar="N",
    default=COUNT,
    help=f"[default: {COUNT}; 0: all]",
)


class SortType(Word[tuple[SortKey, ...]]):
    """Keys to sort by."""

    name = "[-]KEY,.."

    def read(self, text: str) -> tuple[SortKey, ...]:
        """The keys, read."""
        return formats.sort_keys(text)


class View(NamedTuple):
    """How jobs are to be shown."""

    form: JobFormat
    as_json: bool
    no_header: bool
    width: int  # 0: that of the terminal, < 0: any
    color: When

    @property
    def attrs(self) -> Sequence[str]:
        """The attributes to ask for (RFC 43)."""
        return [ALL] if self.as_json else sorted({*self.form.attrs, *STATUS_ATTRS})


_OPTIONS: Final = (
    click.option(
        "-o",
        "--format",
        "form",
        type=FORMAT,
        default="default",
        envvar="FLUX_JOBS_FORMAT_DEFAULT",
        help="A format such as '{id.f58:>12} {name}', or the name of one  [default: default;"
        " help lists them]",
    ),
    click.option("--sort", type=SortType(), help="Sort by fields; a hyphen reverses."),
    click.option("-n", "--no-header", is_flag=True, help="Leave out the heading."),
    click.option(
        "-w",
        "--width",
        type=int,
        default=-1,
        is_flag=False,
        flag_value=0,
        metavar="[N]",
        help="Cut lines at this width; without N, at that of the terminal.",
    ),
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default=lambda: "never" if os.environ.get("NO_COLOR") else "auto",
        is_flag=False,
        flag_value="always",
        help="Color lines by status  [default: auto, on a terminal]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON."),
)


VIEW: Final = ("form", "sort", "no_header", "width", "color", "as_json")
"""The keywords that a command takes for the options, and hands to `view`."""


def view_options(command: C) -> C:
    """Add the options; the command takes them as keywords, for `view`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def view(*, form: JobFormat, sort: tuple[SortKey, ...] | None, **rest: Any) -> View:  # noqa: ANN401
    """What the options say."""
    return View(form._replace(keys=sort) if sort else form, **rest)


def show(jobs: Sequence[Attributes], how: View, *, single: bool = False) -> None:
    """Print jobs; with `single` and as JSON, the one there is by itself."""
    now = time.time()
    ordered = how.form.sorted(jobs, now)
    if how.as_json:
        found = [json_job.as_object(job, now) for job in ordered]
        click.echo(json.dumps(found[0] if single and found else {"jobs": found}))
        return
    color = {"auto": None, "always": True, "never": False}[how.color]
    form = how.form.fitted(ordered, now, heading=not how.no_header)
    width = shutil.get_terminal_size((-1, -1)).columns if how.width == 0 else how.width
    lines = [
        _colored(_cut(line, width), job)
        for job, line in zip(ordered, form.lines(ordered, now), strict=True)
    ]
    if not how.no_header:
        click.echo(click.style(_cut(form.heading(), width), bold=True), color=color)
    # In one piece: thousands of lines are faster so.
    click.echo("".join(f"{line}\n" for line in lines if line), nl=False, color=color)


def _cut(line: str, width: int) -> str:
    return f"{line[: width - 1]}+" if 0 < width < len(line) else line


def _colored(line: str, job: Attributes) -> str:
    letters = status_abbrev(job)
    return click.style(line, fg=_COLORS[letters]) if line and letters in _COLORS else line
