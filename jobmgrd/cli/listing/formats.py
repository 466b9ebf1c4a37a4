"""Formats of job listings: text with {fields} in it, as flux-jobs(1) has it -> lines.

Text before a field may end with a mark: "?:" leaves the field out if no job has it, "+:" makes it
as wide as needed, "?+:" does both. A format may begin with "sort:KEY,-KEY ".
"""

import string
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from jobmgrd.cli.listing import fields, format_spec
from jobmgrd.cli.listing.fields import Attributes, Field
from jobmgrd.cli.listing.format_spec import Spec
from protocol.errors import FormatError

_SORT: Final = "sort:"
_MARKS: Final = ("?+:", "?:", "+:")  # the longest first


class Column(NamedTuple):
    """A field, how to write it, and the text before it."""

    text: str
    mark: str
    field: Field
    conversion: str
    spec: Spec


class SortKey(NamedTuple):
    """A field to sort by."""

    field: Field
    reverse: bool

    def rank(self, job: Attributes, now: float) -> tuple[int, float, str]:
        """What is unset comes before numbers, and those before texts."""
        value = self.field.value(job, now)
        if value in ("", "-", None):
            return (0, 0.0, "")
        try:
            return (1, float(value), "")
        except (TypeError, ValueError):
            return (2, 0.0, str(value))


class JobFormat(NamedTuple):
    """A format that was read. Times are UNIX time; `now` ends what has not ended."""

    columns: tuple[Column, ...]
    tail: str
    keys: tuple[SortKey, ...] = ()

    @property
    def attrs(self) -> set[str]:
        """The attributes that the fields and keys need (RFC 43)."""
        fields = [column.field for column in self.columns] + [key.field for key in self.keys]
        return {attr for field in fields for attr in field.attrs}

    def sorted(self, jobs: Sequence[Attributes], now: float) -> Sequence[Attributes]:
        """The jobs in the order of the keys, what is unset first; as they are without keys."""
        for key in reversed(self.keys):
            jobs = sorted(jobs, key=partial(key.rank, now=now), reverse=key.reverse)
        return jobs

    def fitted(self, jobs: Iterable[Attributes], now: float, *, heading: bool) -> "JobFormat":
        """The format for these jobs: its marks are resolved. Raises FormatError as `lines` does."""
        marked = [n for n, column in enumerate(self.columns) if column.mark]
        widths = dict.fromkeys(marked, 0)
        converters = [(n, self.columns[n].field.value, _unfitted(self.columns[n])) for n in marked]
        with _refused():
            for job in jobs:
                for n, value, text in converters:
                    widths[n] = max(widths[n], len(text(value(job, now))))
        columns = []
        for n, column in enumerate(self.columns):
            if "?" in column.mark and not widths[n]:
                continue
            spec = column.spec
            if "+" in column.mark:
                spec = spec.widened(max(widths[n], len(column.field.heading) if heading else 0))
            columns.append(column._replace(mark="", spec=spec))
        return self._replace(columns=tuple(columns))

    def heading(self) -> str:
        """The line above."""
        words = (f"{c.text}{c.field.heading:{c.spec.heading}}" for c in self.columns)
        return ("".join(words) + self.tail).rstrip()

    def lines(self, jobs: Iterable[Attributes], now: float) -> Iterator[str]:
        """A line for each job.

        Raises:
            FormatError: a value is of another type than its specification is for.
        """
        parts = [
            (column.text, column.field.value, format_spec.renderer(column.conversion, column.spec))
            for column in self.columns
        ]
        with _refused():
            for job in jobs:
                line = "".join([text + render(value(job, now)) for text, value, render in parts])
                yield (line + self.tail).rstrip()


@contextmanager
def _refused() -> Iterator[None]:
    """Say of a value that cannot be converted or written that the format is wrong."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise FormatError(f"invalid format: {error}") from error


def parse(text: str) -> JobFormat:
    """Read a format.

    Raises:
        FormatError: it has an unknown field or key, or is malformed; the text says where.
    """
    keys: tuple[SortKey, ...] = ()
    if text.startswith(_SORT):
        words = text.removeprefix(_SORT)
        end = next((n for n, letter in enumerate(words) if letter.isspace() or letter == "{"), None)
        keys = sort_keys(words[:end])
        text = "" if end is None else words[end:].removeprefix(" ")
    columns, tail = [], ""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise FormatError(f"invalid format: {error}") from error
    for before, name, spec, conversion in parts:
        if name is None:
            tail += before
        else:
            columns.append(_column(tail + before, name, spec or "", conversion or ""))
            tail = ""
    return JobFormat(tuple(columns), tail, keys)


def sort_keys(text: str) -> tuple[SortKey, ...]:
    """Read the keys of "KEY,-KEY"; a hyphen reverses.

    Raises:
        FormatError: there is no such field.
    """
    words = [word.strip() for word in text.split(",")]
    return tuple(
        SortKey(fields.find(word.removeprefix("-")), word.startswith("-")) for word in words if word
    )


def _column(text: str, name: str, spec: str, conversion: str) -> Column:
    mark = next((mark for mark in _MARKS if text.endswith(mark)), "")
    try:
        field, parsed = fields.find(name), format_spec.parse(spec, conversion)
    except FormatError as error:
        raise FormatError(f"invalid format: {error}") from error
    return Column(text.removesuffix(mark), mark, field, conversion, parsed)


def _unfitted(column: Column) -> format_spec.Render:
    """What a value of a column is before it is fitted; "" for what counts as unset."""
    convert = format_spec.converter(column.conversion, column.spec)

    def text(value: Any) -> str:  # noqa: ANN401 - what fields have
        shown = str(convert(value))
        return "" if shown in format_spec.UNSET else shown

    return text
