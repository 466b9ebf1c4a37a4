"""The worker processes' side of scripts.benchmark.worker: arguments in, JSON lines out."""

import json
import select
import sys
from typing import Any


def arguments() -> dict[str, Any]:
    """What the worker was told when it was started."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def say(**values: object) -> None:
    """Tell the suite something."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def wait() -> None:
    """Wait until the suite says go; end if it went away."""
    if not sys.stdin.buffer.readline():
        sys.exit(0)


def told(timeout: float) -> bool:
    """Whether the suite says go within `timeout` seconds; end if it went away."""
    if not select.select([sys.stdin], [], [], timeout)[0]:
        return False
    wait()
    return True
