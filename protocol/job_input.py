"""What was written to a job's stdin as an eventlog of its own (RFC 24): a header, then data."""

from typing import Any, Final

from protocol import eventlog
from protocol.job_shell import StdinRequest

ENDLESS: Final = 2**63 - 1
"""The size of input of which only the beginning is kept."""

_WARNING: Final = 4
"""RFC 5424."""
_LOG: Final = b'"name":"log"'


def header(t: float) -> bytes:
    """The header line: there is one stream, whoever reads it."""
    context = {
        "version": 1,
        "encoding": {"stdin": "UTF-8"},
        "count": {"stdin": 1},
        "options": {},
    }
    return eventlog.entry_line(t, "header", context)


def data(t: float, request: StdinRequest) -> bytes:
    """A data line, as it was sent."""
    context: dict[str, Any] = {"stream": "stdin", "rank": str(request.rank)}
    if request.data:
        context["data"] = request.data
        if request.encoding != "UTF-8":
            context["encoding"] = request.encoding
    if request.eof:
        context["eof"] = True
    return eventlog.entry_line(t, "data", context)


def cut(t: float, limit: int) -> bytes:
    """The last line of input of which no more is kept."""
    message = f"stdin: no more than {limit} bytes are kept (exec.input-limit)"
    return eventlog.entry_line(t, "log", {"level": _WARNING, "message": message})


def size(kept: bytes) -> int:
    """How many bytes of lines there are, or would be if all had been kept."""
    return ENDLESS if _LOG in kept[kept.rfind(b"\n", 0, -1) + 1 :] else len(kept)
