"""A job's output on its way to our own stdout and stderr, as it comes."""

import sys
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobmgrd.cli.job.outcome import WATCH, entries
from protocol.eventlog import Entry
from protocol.job_info import WATCH_INITIAL_SENTINEL
from protocol.job_output import chunk_of

if TYPE_CHECKING:
    from jobmgrd.client import Client


class OutputView(NamedTuple):
    """How output is shown.

    `label` prefixes each line with the rank of its task, and `prefix` all with a name; `tail` shows
    of what there is already the last so many pieces only.
    """

    label: bool = False
    prefix: str = ""
    quiet: bool = False
    tail: int | None = None


class Sink(Protocol):
    """Takes bytes, as a binary file does."""

    def write(self, data: bytes, /) -> int:
        """Write them."""

    def flush(self) -> None:
        """Let others see them."""


class Sinks(NamedTuple):
    """Where stdout and stderr go."""

    out: Sink
    err: Sink


class Screen:
    """Writes chunks; where lines are labeled, a line waits for its end."""

    def __init__(self, view: OutputView, sinks: Sinks | None = None) -> None:
        self._view = view
        self._sinks = sinks or Sinks(sys.stdout.buffer, sys.stderr.buffer)
        self._plain = not (view.label or view.prefix)
        self._rests: dict[tuple[str, int], bytes] = {}

    def show(self, entry: Entry) -> None:
        """Show a line of guest.output (RFC 24).

        Raises:
            BrokenPipeError: nobody reads ours.
        """
        chunk = chunk_of(entry)
        if entry.name == "redirect" and not self._view.quiet:
            context = entry.context or {}
            to = f" to {context['path']}" if "path" in context else ""
            line = f"{context.get('rank')}: {context.get('stream')} redirected{to}\n"
            write(self._sinks.err, line.encode())
        if chunk is None:
            return
        stream = self._sinks.err if chunk.stream == "stderr" else self._sinks.out
        if self._plain:
            write(stream, chunk.data)
            return
        key = chunk.stream, chunk.rank
        lines = (self._rests.pop(key, b"") + chunk.data).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            if chunk.eof:
                lines[-1] += b"\n"
            else:
                self._rests[key] = lines.pop()
        label = self._view.prefix + (f"{chunk.rank}: " if self._view.label else "")
        write(stream, b"".join(label.encode() + line for line in lines))


async def show_output(
    client: "Client", id_: int, view: OutputView, sinks: Sinks | None = None
) -> None:
    """Show a job's output until its end.

    Raises:
        RpcError: there is no such job.
        BrokenPipeError: nobody reads ours.
    """
    screen = Screen(view, sinks)
    last: deque[Entry] | None = None if view.tail is None else deque(maxlen=view.tail)
    flags = 0 if last is None else WATCH_INITIAL_SENTINEL
    request = {"id": id_, "path": "guest.output", "flags": flags}
    async for reply in client.stream(WATCH, request):
        if "event" not in reply:
            for entry in last or ():
                screen.show(entry)
            last = None
            continue
        for entry in entries(reply):
            if last is None:
                screen.show(entry)
            elif entry.name != "header" and (entry.context or {}).get("data"):
                last.append(entry)


def write(stream: Sink, data: bytes) -> None:
    """Write at once: others may read what we wrote while we wait."""
    if data:
        stream.write(data)
        stream.flush()
