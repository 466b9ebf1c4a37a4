"""Logs: events with keys, one line each on stderr, as JSON or for a person's eyes.

    log = structlog.get_logger(__name__)
    log.info("purge.done", jobs=100, seq=17)

What libraries send to the standard logging module takes the same way, as the event "stdlib". The
last lines are kept for log.dmesg, too.
"""

import logging
import sys
from typing import Final, Literal, cast

import structlog
from structlog.typing import Processor

from jobmgrd.log_limit import LIMIT
from jobmgrd.log_ring import RING

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

_LEVELS: Final[dict[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str, format: Format) -> None:
    """Send log events of a level and above to stderr; may be called again at any time.

    Args:
        level: debug, info, warning or error.
        format: json, console, or auto: console on a terminal and json elsewhere.

    Raises:
        KeyError: no such level.
    """
    number = _LEVELS[level]
    terminal = sys.stderr.isatty()
    console = format == "console" or (format == "auto" and terminal)
    structlog.configure(
        processors=[
            LIMIT.process,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            RING.process,
            *(_console(colors=terminal) if console else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,  # a reload changes the level of loggers in use
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Stdlib)]:
        root.removeHandler(handler)
    root.addHandler(_Stdlib(number))


def _console(*, colors: bool) -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=colors,
            repr_native_str=True,  # values come from clients: no newline or escape may pass
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


def _json() -> list[Processor]:
    transform = structlog.tracebacks.ExceptionDictTransformer(
        show_locals=False,  # locals hold users' environments
        max_frames=20,
    )
    return [
        structlog.processors.ExceptionRenderer(transform),
        structlog.processors.JSONRenderer(),
    ]


class _Stderr:
    """Writes lines to whatever stderr is now; a reader that went away must not end the daemon."""

    def __init__(self, *_args: object) -> None:
        """Loggers take their module's name, which is not shown."""

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except OSError:
            return

    debug = info = warning = error = critical = exception = msg


class _Stdlib(logging.Handler):
    """Passes a record of the standard logging module on as an event."""

    def emit(self, record: logging.LogRecord) -> None:
        log = cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
        log.log(
            record.levelno,
            "stdlib",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )
