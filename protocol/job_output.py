"""A job's output as an eventlog of its own (RFC 24): a header, then data events."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from protocol import eventlog, idset
from protocol.errors import FormatError

STREAMS: Final = ("stdout", "stderr")


class Chunk(Struct, frozen=True):
    """A piece of output: what one rank wrote to one stream; `eof` closes it."""

    stream: str
    rank: int
    data: bytes
    eof: bool = False


def header(t: float, ntasks: int) -> bytes:
    """The header line: version, encoding and number of streams of each name."""
    context = {
        "version": 1,
        "encoding": dict.fromkeys(STREAMS, "UTF-8"),
        "count": dict.fromkeys(STREAMS, ntasks),
        "options": {},
    }
    return eventlog.entry_line(t, "header", context)


def data(t: float, chunk: Chunk) -> bytes:
    """A data line; bytes that are not UTF-8 go as base64."""
    context: dict[str, Any] = {"stream": chunk.stream, "rank": str(chunk.rank)}
    if chunk.data:
        try:
            context["data"] = chunk.data.decode()
        except UnicodeDecodeError:
            context["encoding"] = "base64"
            context["data"] = b64encode(chunk.data).decode()
    if chunk.eof:
        context["eof"] = True
    return eventlog.entry_line(t, "data", context)


def redirect(t: float, stream: str, ranks: Iterable[int], path: str) -> bytes:
    """A redirect line: what these ranks write to a stream goes to a file."""
    context = {"stream": stream, "rank": idset.format(ranks), "path": path}
    return eventlog.entry_line(t, "redirect", context)


def chunk_of(entry: eventlog.Entry) -> Chunk | None:
    """The piece of output that an entry holds; None for a header or another event.

    Raises:
        FormatError: a data event without what RFC 24 asks of it.
    """
    if entry.name != "data":
        return None
    context = entry.context or {}
    text = context.get("data", "")
    stream, rank = context.get("stream"), context.get("rank")
    if not (isinstance(stream, str) and isinstance(rank, str | int) and isinstance(text, str)):
        raise FormatError("output: data event lacks its stream, rank or data")
    raw = b64decode(text) if context.get("encoding") == "base64" else text.encode()
    return Chunk(stream, int(rank), raw, bool(context.get("eof")))
