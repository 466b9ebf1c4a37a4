"""jobmgr stats --totals: how many jobs ever ended, as tables; purges do not change it."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jobmgrd.cli import text_table
from protocol.job import Result

DAYS: Final = 7
DAY: Final = 86400

Row = Mapping[str, Any]
"""A row of the reply: day, since 1970-01-01 UTC, queue, result, n."""


def recent(totals: Iterable[Row], days: int) -> Sequence[Row]:
    """The rows of the last so many UTC days, today being one of them."""
    first = int(time.time()) // DAY - days + 1
    return [row for row in totals if row["day"] >= first]


def lines(totals: Sequence[Row], days: int) -> Iterator[str]:
    """Two tables: since the store was made by queue, and of the last days by day."""
    yield from _table("QUEUE", totals, lambda row: row["queue"] or "(none)")
    yield ""
    yield from _table("DAY (UTC)", recent(totals, days), _date)


def _table(heading: str, totals: Iterable[Row], key: Callable[[Row], str]) -> Iterable[str]:
    counts: dict[str, Counter[int]] = {}
    for row in totals:
        counts.setdefault(key(row), Counter())[row["result"]] += row["n"]
    names = sorted(counts)
    rows = [(name, *_cells(counts[name])) for name in names]
    everything = sum((counts[name] for name in names), Counter[int]())
    headings = (heading, *(result.name for result in Result), "ENDED")
    return text_table.lines(headings, [*rows, ("all", *_cells(everything))])


def _cells(count: Counter[int]) -> Sequence[int]:
    return [*(count[result] for result in Result), count.total()]


def _date(row: Row) -> str:
    return datetime.fromtimestamp(row["day"] * DAY, UTC).date().isoformat()
