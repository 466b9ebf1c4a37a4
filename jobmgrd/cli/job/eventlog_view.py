"""Eventlog entries as lines: the options that say how, and the writing."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import click

from jobmgrd.cli.text_table import printable
from jobmgrd.cli.words.when import iso
from protocol.eventlog import Entry, encode

C = TypeVar("C", bound=Callable[..., Any])

PATHS: Final = {
    "eventlog": "eventlog",
    "output": "guest.output",
    "guest.output": "guest.output",
    "input": "guest.input",
    "guest.input": "guest.input",
    "exec": "guest.exec.eventlog",
    "guest.exec.eventlog": "guest.exec.eventlog",
}
"""Eventlogs of a job, and the keys under which they are kept."""

_OPTIONS: Final = (
    click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        help="text, or JSON lines as they are kept  [default: text]",
    ),
    click.option(
        "-T",
        "--time-format",
        type=click.Choice(["offset", "raw", "iso", "human"]),
        default="offset",
        help="Seconds since the first event, UNIX time, local time, or as -H  [default: offset]",
    ),
    click.option(
        "-H",
        "--human",
        is_flag=True,
        help="Print a date when a minute begins, then seconds since it; with colors.",
    ),
    click.option(
        "-p",
        "--path",
        type=click.Choice(list(PATHS)),
        default="eventlog",
        help="Which eventlog  [default: eventlog]",
    ),
)

VIEW: Final = ("form", "time_format", "human")
"""The keywords that a command takes for `EventView`; there is `path`, too."""


def event_options(command: C) -> C:
    """Add the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class EventView(NamedTuple):
    """How entries are to be written."""

    form: str
    time_format: str
    human: bool

    def writer(self) -> Callable[[Entry], str]:
        """A function that writes the entries of an eventlog, to be called from the first on."""
        if self.form == "json":
            return lambda entry: encode(entry).decode().rstrip("\n")
        stamp = _human() if self.human else _STAMPS[self.time_format]()
        return lambda entry: _line(entry, stamp(entry.timestamp), color=self.human)


def _line(entry: Entry, time: str, *, color: bool) -> str:
    context = "".join(
        f" {printable(key)}={json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"
        for key, value in (entry.context or {}).items()
    )
    if not color:
        return f"{time} {entry.name}{context}"
    fg = "red" if entry.name == "exception" else "yellow"
    return f"{click.style(time, fg='green')} {click.style(entry.name, fg=fg)}{context}"


def _offset() -> Callable[[float], str]:
    first: float | None = None

    def stamp(t: float) -> str:
        nonlocal first
        if first is None:
            first = t
        return f"{t - first:.6f}"

    return stamp


def _human() -> Callable[[float], str]:
    minute, begin = "", 0.0

    def stamp(t: float) -> str:
        nonlocal minute, begin
        now = datetime.fromtimestamp(t).astimezone().strftime("%b%d %H:%M")
        if now == minute:
            return f"[{t - begin:+11.6f}]"
        minute, begin = now, t
        return f"[{now}]"

    return stamp


_STAMPS: Final[dict[str, Callable[[], Callable[[float], str]]]] = {
    "raw": lambda: lambda t: f"{t:.6f}",
    "iso": lambda: lambda t: iso(t, "microseconds"),
    "offset": _offset,
    "human": _human,
}
