"""The bare limits that several parts stand beside."""

import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from scripts.benchmark.daemon import resident
from scripts.benchmark.history import FILE
from scripts.benchmark.run import Run
from scripts.benchmark.worker import Worker


class Process(Struct, frozen=True):
    """A Python process that does nothing but echo: what it needs to be there at all."""

    seconds: float  # from its start to the first answer
    memory: float  # resident, MiB


def process(run: Run) -> Process:
    """Start an echo, and ask it once."""
    with run.sockets() as endpoint, Worker("echo", endpoint=endpoint) as echo:
        echo.read()
        return Process(time.monotonic() - echo.started, resident(echo.pid))


def requests(
    endpoint: str, topic: str, payload: dict[str, Any] | None, **counts: int
) -> dict[str, Any]:
    """Send requests over a bare DEALER; `counts` are `sequential` and `pipelined`."""
    with Worker("request", endpoint=endpoint, topic=topic, payload=payload, **counts) as request:
        return request.read()


def echoed(run: Run, topic: str, payload: dict[str, Any] | None, **counts: int) -> dict[str, Any]:
    """The same requests, answered by a bare ROUTER."""
    with run.sockets() as endpoint, Worker("echo", endpoint=endpoint) as echo:
        echo.read()
        return requests(endpoint, topic, payload, **counts)


def purged(state: Path, batch: int) -> dict[str, Any]:
    """All rows of a store deleted by SQLite alone, with tombstones and a log as the daemon has."""
    with Worker("sqlite", path=str(state / FILE), task="purge", batch=batch) as sqlite:
        return sqlite.read()


def inserted(state: Path, count: int, batch: int) -> dict[str, Any]:
    """Rows like the last one put into the store of a daemon that ended, by SQLite alone."""
    path = str(state / FILE)
    with Worker("sqlite", path=path, task="insert", count=count, batch=batch) as sqlite:
        return sqlite.read()
