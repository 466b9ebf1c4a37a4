"""Notes whatever a Python process does to file systems, in the file that AUDIT names.

Python imports this module at its start if PYTHONPATH names this directory, in every process that
inherits it: a daemon and its supervisor alike. See tests/e2e/test_footprint.py.
"""

import json
import os
import sys
from typing import Any, Final

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_PATHS: Final = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.setxattr": 1,
    "sqlite3.connect": 1,
}
"""Audit events (PEP 578) that change a file system, and how many of their arguments are paths."""


def paths(event: str, args: tuple[Any, ...]) -> list[Any]:
    """The paths that an event changes, or may."""
    if event == "open":
        return [args[0]] if args[2] & _WRITES else []
    if event == "socket.bind":
        return [args[1]] if isinstance(args[1], str | bytes) else []
    return list(args[: _PATHS.get(event, 0)])


def watch(log: str) -> None:
    """Note all that comes from now on."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        for path in paths(event, args):
            if isinstance(path, int):  # a descriptor, which was opened before
                continue
            name = os.fsdecode(path).removeprefix("file://").partition("?")[0]
            place = os.path.abspath(name)  # noqa: PTH100 - follows no link, opens nothing
            note = {"pid": os.getpid(), "event": event, "path": place}
            os.write(fd, json.dumps(note).encode() + b"\n")

    sys.addaudithook(hook)


if "AUDIT" in os.environ:
    watch(os.environ["AUDIT"])
