"""The screen of jobmgr watch: states, throughput, purging, queues and the latest events."""

import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Sparkline, Static

from jobmgrd.cli.words.fsd import brief
from jobmgrd.client import Client
from jobmgrd.watch.feed import Feed, told
from jobmgrd.watch.snapshot import RESULTS, STATES, Snapshot, Speed, speed
from protocol import jobid
from protocol.eventlog import Entry
from protocol.events import PurgeEvent

EVENTS_MAX: Final = 100
"""Events that are kept to be shown; the screen is drawn anew a few times a second, at most."""
DRAW_SECONDS: Final = 0.25
SPEEDS_MAX: Final = 120
MILLION: Final = 1_000_000

_COLORS: Final = {
    "run": "green",
    "sched": "yellow",
    "completed": "green",
    "failed": "red",
    "canceled": "magenta",
    "timeout": "yellow",
    "exception": "red",
    "purge": "cyan",
}


class Watch(App[None]):
    """The screen; a Feed tells it what there is to show.

    Args:
        connect: makes a client; the screen shows its endpoint.
        interval: seconds between two numbers.
    """

    TITLE = "jobmgr watch"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; background: $primary-background; padding: 0 1; }
    #numbers { height: 10; }
    .panel { border: round $primary; padding: 0 1; width: 1fr; height: 100%; }
    #lower { height: 1fr; }
    #states { min-width: 38; }
    #queues { width: 2fr; min-width: 42; }
    #events { width: 3fr; text-wrap: nowrap; text-overflow: ellipsis; }
    #ended { height: 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("c", "clear", "Clear events"),
    ]

    def __init__(self, connect: Callable[[], Client], interval: float = 1.0) -> None:
        super().__init__()
        self._feed = Feed(connect, self, interval)
        self._where = str(connect().endpoints)
        self._events: deque[Text] = deque(maxlen=EVENTS_MAX)
        self._speeds: deque[float] = deque([0.0], maxlen=SPEEDS_MAX)
        self._last: Snapshot | None = None
        self._speed = Speed()
        self._paused = False
        self._away = "waiting for the daemon"
        self._changed = True

    def compose(self) -> ComposeResult:
        """The panels."""
        yield Static(id="title")
        with Horizontal(id="numbers"):
            yield Static(id="states", classes="panel")
            with Vertical(id="throughput", classes="panel"):
                yield Sparkline(self._speeds, id="ended", summary_function=max)
                yield Static(id="speed")
            yield Static(id="purging", classes="panel")
        with Horizontal(id="lower"):
            yield Static(id="queues", classes="panel")
            yield Static(id="events", classes="panel")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask and to draw."""
        titles = ("states", "jobs"), ("throughput", "throughput"), ("purging", "purging")
        for id, title in (*titles, ("queues", "queues"), ("events", "latest events")):
            self.query_one(f"#{id}").border_title = title
        self.run_worker(self._feed.poll(), exit_on_error=True)
        self.run_worker(self._feed.follow(), exit_on_error=True)
        self.set_interval(DRAW_SECONDS, self._draw)
        self._draw()

    # --- what the feed tells ----------------------------------------------------------------

    def numbers(self, snapshot: Snapshot) -> None:
        """See View."""
        if self._last is not None:
            self._speed = speed(self._last, snapshot)
            self._speeds.append(self._speed.ended)
        self._last = snapshot
        self._away = ""
        self._changed = True

    def event(self, id: int, entry: Entry) -> None:
        """See View."""
        self._note(entry.timestamp, jobid.encode(id, "f58"), entry.name, told(entry))

    def purged(self, event: PurgeEvent) -> None:
        """See View."""
        self._note(event.t, f"{len(event.jobs)} jobs", "purge", f"{event.reason}, #{event.seq}")

    def away(self, reason: str) -> None:
        """See View."""
        self._away = reason
        self._changed = True

    def _note(self, t: float, what: str, name: str, more: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(t))
        style = _COLORS.get(name, _COLORS.get(more, ""))
        self._events.append(
            Text.assemble((clock, "dim"), f" {what:>12} ", (f"{name:<9}", style), f" {more}")
        )
        self._changed = True

    # --- what keys do -----------------------------------------------------------------------

    def action_pause(self) -> None:
        """Let the screen stand still, or go on."""
        self._paused = not self._paused
        self._title()

    def action_clear(self) -> None:
        """Forget the events so far."""
        self._events.clear()
        self._changed = True

    # --- drawing ----------------------------------------------------------------------------

    def _draw(self) -> None:
        if self._paused or not self._changed:
            return
        self._changed = False
        self._title()
        self._show("events", Text("\n").join(reversed(self._events)))
        if self._last is not None:
            self._show("states", _states(self._last))
            self._show("speed", _speed(self._speed, max(self._speeds)))
            self._show("purging", _purging(self._last))
            self._show("queues", _queues(self._last))
            self.query_one("#ended", Sparkline).data = list(self._speeds)

    def _title(self) -> None:
        title = Text("jobmgr watch  ", "bold")
        if self._paused:
            title.append("paused  ", "yellow")
        title.append(self._away or self._where, "red" if self._away else "not bold")
        self._show("title", title)

    def _show(self, id: str, content: Text | Table) -> None:
        self.query_one(f"#{id}", Static).update(content)


def _states(snapshot: Snapshot) -> Table:
    table = _grid(4)
    states, totals = snapshot.jobs.job_states, snapshot.jobs.totals
    for n, state in enumerate(STATES):
        row: list[Text | str] = [Text(state, _COLORS.get(state, "")), _count(states[state])]
        if n < len(RESULTS):
            row += [Text(RESULTS[n], _COLORS[RESULTS[n]]), _count(totals[RESULTS[n]])]
        table.add_row(*row)
    table.add_row("purged", _count(snapshot.stats.purge.total), "ended", _count(snapshot.ended))
    return table


def _speed(now: Speed, most: float) -> Table:
    table = _grid(2)
    table.add_row("ended", f"{now.ended:,.0f}/s")
    table.add_row("at most", f"{most:,.0f}/s")
    table.add_row("purged", f"{now.purged:,.0f}/s")
    table.add_row("events", f"{now.events:,.0f}/s")
    return table


def _purging(snapshot: Snapshot) -> Table:
    purge, store = snapshot.stats.purge, snapshot.stats.store
    age = "none" if purge.age_limit < 0 else brief(purge.age_limit)
    num = "none" if purge.num_limit < 0 else _count(purge.num_limit)
    table = _grid(2)
    table.add_row("age limit", age)
    table.add_row("num limit", num)
    table.add_row("backlog", _count(purge.backlog))
    table.add_row("lag", brief(purge.lag))
    table.add_row("last run", f"{purge.rate:,.0f}/s")
    table.add_row("pinned", _count(purge.pins))
    table.add_row("store", f"{store.size / 2**20:,.1f}M")
    if purge.blocked:
        table.add_row(Text("blocked", "red"), purge.blocked)
    return table


def _queues(snapshot: Snapshot) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, collapse_padding=True)
    table.add_column("queue")
    for heading in ("pending", "running", "inactive", "failed"):
        table.add_column(heading, justify="right")
    for row in snapshot.rows:
        numbers = (row.pending, row.running, row.inactive, row.failed)
        table.add_row(row.name, *map(_count, numbers))
    return table


def _count(n: int) -> str:
    """A number in seven places."""
    return f"{n:,}" if n < MILLION else f"{n / MILLION:.4g}M"


def _grid(columns: int) -> Table:
    """Names and numbers, in turn."""
    table = Table.grid(padding=(0, 1), expand=True)
    for n in range(columns):
        if n % 2:
            table.add_column(justify="right", ratio=1, no_wrap=True)
        else:
            table.add_column(no_wrap=True)
    return table
