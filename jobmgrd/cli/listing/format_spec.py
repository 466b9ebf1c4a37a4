"""How a field of a format is written: Python's format specification, with Flux's additions.

    {name:<10.10+}           + at the end: a text that was cut ends with +
    {nnodes:>6h}             h: a hyphen instead of nothing, zero time or zero duration
    {t_run!d:%b%d %R::>12h}  !d: strftime's format, then, after ::, the specification

Conversions: !D ISO 8601, !d as above, !F Flux Standard Duration, !H h:mm:ss, !P percent; and
Python's !s, !r, !a. See flux-jobs(1), OUTPUT FORMAT.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from jobmgrd.cli.text_table import printable
from jobmgrd.cli.words.fsd import brief
from protocol.errors import FormatError

Render: TypeAlias = Callable[[Any], str]

_ISO: Final = "%Y-%m-%dT%H:%M:%S"
UNSET: Final = frozenset({"", "0s", "0.0", "0:00:00"})
"""What h writes as a hyphen."""

_SPEC: Final = re.compile(
    r"(?P<align>.?[<>=^])?(?P<flags>[- +]?z?#?0?)(?P<width>\d{1,4})?(?P<grouping>[_,])?"
    r"(?:\.(?P<precision>\d{1,4}))?(?P<type>[bcdeEfFgGnosxX%])?(?P<hyphen>h)?(?P<plus>\+)?",
    re.DOTALL | re.ASCII,
)


class Spec(NamedTuple):
    """A specification taken apart."""

    align: str = ""  # with the character to fill with
    flags: str = ""
    width: int | None = None
    grouping: str = ""
    precision: int | None = None
    type: str = ""
    hyphen: bool = False
    plus: bool = False
    strftime: str = _ISO

    @property
    def python(self) -> str:
        """What Python's format() takes."""
        precision = "" if self.precision is None else f".{self.precision}"
        return f"{self.align}{self.flags}{self._width}{self.grouping}{precision}{self.type}"

    @property
    def heading(self) -> str:
        """The same for a heading, which is text and is not cut."""
        return f"{self.align}{self._width}"

    @property
    def _width(self) -> str:
        return "" if self.width is None else str(self.width)

    def widened(self, width: int) -> "Spec":
        """The same for a column of at least this width, in which nothing is cut."""
        precision = self.precision and max(self.precision, width)
        return self._replace(width=max(self.width or 0, width), precision=precision)


def parse(text: str, conversion: str) -> Spec:
    """Take a specification apart.

    Raises:
        FormatError: it is none, or there is no such conversion.
    """
    if conversion not in _CONVERSIONS and conversion != "d":
        raise FormatError(f"there is no conversion !{conversion}")
    strftime = _ISO
    if conversion == "d":
        strftime, _, text = text.partition("::")
    found = _SPEC.fullmatch(text)
    if found is None:
        raise FormatError(f"{text!r} is no format specification")
    return Spec(
        align=found["align"] or "",
        flags=found["flags"] or "",
        width=int(found["width"]) if found["width"] else None,
        grouping=found["grouping"] or "",
        precision=int(found["precision"]) if found["precision"] else None,
        type=found["type"] or "",
        hyphen=bool(found["hyphen"]),
        plus=bool(found["plus"]),
        strftime=strftime or _ISO,
    )


def renderer(conversion: str, spec: Spec) -> Render:
    """A function that writes a value: a number, a text, or "" for what a job does not have.

    It raises ValueError if the value is of another type than the specification is for.
    """
    convert = converter(conversion, spec) if conversion else None
    full, blank = spec.python, spec.heading
    hyphen, plus = spec.hyphen, spec.plus
    if hyphen:  # the hyphen is a text, and so is everything else then
        full = full.removesuffix(spec.type)

    def render(value: Any) -> str:  # noqa: ANN401 - what fields have
        shown = convert(value) if convert else value
        if hyphen:
            shown = str(shown)
            shown = "-" if shown in UNSET else shown
        if isinstance(shown, str):
            if not shown.isprintable():
                shown = printable(shown)
        elif isinstance(shown, bool):
            shown = str(shown)
        written = format(shown, full if shown != "" else blank)
        if plus and len(written) < len(str(shown)):
            return written[:-1] + "+"
        return written

    return render


def converter(conversion: str, spec: Spec) -> Callable[[Any], Any]:
    """The function of a conversion alone: what a value is before it is fitted to a width."""
    if conversion == "d":
        return lambda t: _time(t, spec.strftime)
    return _CONVERSIONS[conversion]


def _time(t: Any, form: str) -> str:  # noqa: ANN401 - a time, or ""
    return datetime.fromtimestamp(t).astimezone().strftime(form) if t else ""


def _fsd(seconds: Any) -> str:  # noqa: ANN401 - seconds, or ""
    return "" if seconds == "" else brief(max(0.0, seconds))


def _clock(seconds: Any) -> str:  # noqa: ANN401 - seconds, or ""
    if seconds == "":
        return ""
    return str(timedelta(seconds=1 if 0 < seconds < 1 else round(seconds)))


def _percent(fraction: Any) -> str:  # noqa: ANN401 - a number, or ""
    if fraction == "":
        return ""
    return f"{fraction:.2%}" if 0 < fraction < 0.01 else f"{fraction * 100:.3g}%"  # noqa: PLR2004


_CONVERSIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "": lambda value: value,
    "D": lambda t: _time(t, _ISO),
    "F": _fsd,
    "H": _clock,
    "P": _percent,
    "s": str,
    "r": repr,
    "a": ascii,
}
