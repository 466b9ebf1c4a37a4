"""The formats of job listings that have a name, and the option --format."""

from typing import Final, NamedTuple

import click

from jobmgrd.cli.listing import formats
from jobmgrd.cli.listing.formats import JobFormat
from protocol.errors import FormatError

_BEGIN: Final = "{id.f58:>12} ?:{queue:<8.8} "
_WHOSE: Final = "+:{username:<8} {name:<10.10+} "


class Named(NamedTuple):
    """A format, and what it is for."""

    summary: str
    text: str


FORMATS: Final = {
    "default": Named(
        "where jobs run, what they wait for, why they failed",
        _BEGIN + _WHOSE + "{status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {info}",
    ),
    "cute": Named(
        "the same, with the status as a picture",
        _BEGIN + _WHOSE + "{status_emoji:>5.5} {ntasks:>6} {nnodes:>6h} "
        "{contextual_time!F:>8h} {info}",
    ),
    "long": Named(
        "the default, with the time of submission and the time left",
        _BEGIN + _WHOSE + "{status:>9.9} {ntasks:>6} {nnodes:>6h} {t_submit!d:%b%d %R::>12} "
        "{t_remaining!F:>12h} {contextual_time!F:>8h} {info}",
    ),
    "deps": Named(
        "urgency, priority and dependencies",
        _BEGIN + "{name:<10.10+} {urgency:<3} {priority:<12} {state:<8.8} {dependencies}",
    ),
    "endreason": Named(
        "when and why jobs ended",
        _BEGIN + _WHOSE + "{status_abbrev:>2.2} {t_inactive!d:%b%d %R::>12h} {inactive_reason}",
    ),
}
"""The names are Flux's."""


class FormatType(click.ParamType[JobFormat]):
    """A format, or the name of one."""

    name = "NAME|FORMAT"

    def convert(
        self, value: str | JobFormat, param: click.Parameter | None, ctx: click.Context | None
    ) -> JobFormat:
        """The format, read; "help" lists the names and exits."""
        if isinstance(value, JobFormat):
            return value
        if value == "help" and ctx is not None:
            for name, named in FORMATS.items():
                click.echo(f"{name:<10} {named.summary}\n{'':<10} {named.text}")
            ctx.exit()
        if "{" not in value and value not in FORMATS:
            self.fail(f"{value!r} is neither a format nor one of {', '.join(FORMATS)}", param, ctx)
        try:
            return formats.parse(FORMATS[value].text if value in FORMATS else value)
        except FormatError as error:
            self.fail(str(error), param, ctx)


FORMAT: Final = FormatType()
