"""The machine a run was made on, so that runs of different machines are not compared unawares."""

import os
import platform
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import zmq

from jobmgrd import VERSION


def describe(directory: Path) -> Mapping[str, str]:
    """What decides the figures: processor, memory, versions, and the file system written to."""
    return {
        "jobmgrd": VERSION,
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "zeromq": zmq.zmq_version(),
        "sqlite": sqlite3.sqlite_version,
        "filesystem": filesystem(directory),
    }


def filesystem(directory: Path) -> str:
    """The type of the file system that a directory is on; empty if it cannot be told."""
    path = str(directory.resolve())
    found, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, type, *_ = line.split()
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(found):
            found, kind = mount, type
    return kind


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
