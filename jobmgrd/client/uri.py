"""Where the daemon is: an argument, the environment, or the default run directory.

A URI is a run directory (`/run/jobmgrd`), the ZeroMQ endpoint of the RPC socket in one
(`ipc:///run/jobmgrd/rpc`, events at its sibling `events`), or both endpoints with a comma
between them.
"""

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from msgspec import Struct

from jobmgrd.rundir import default_rundir

IPC: Final = "ipc://"
PATH_MAX: Final = 107
"""Bytes of a unix socket's path: sun_path without its NUL (unix(7))."""


class UriError(ValueError):
    """A URI that names no place a client could connect to."""


class Endpoints(Struct, frozen=True):
    """The two ZeroMQ endpoints of a daemon."""

    rpc: str
    events: str


def find(uri: str | None = None, environ: Mapping[str, str] = os.environ) -> Endpoints:
    """The daemon's endpoints: by `uri`, else by JOBMGRD_URI, else in the default run directory.

    Raises:
        UriError: the URI has an unknown scheme or its path is too long for a unix socket.
    """
    uri = uri or environ.get("JOBMGRD_URI") or str(default_rundir(os.getuid(), environ))
    rpc, _, events = uri.partition(",") if "://" in uri else (f"{IPC}{uri}/rpc", "", "")
    return Endpoints(_checked(rpc), _checked(events or _sibling(rpc)))


def _sibling(rpc: str) -> str:
    return IPC + str(PurePath(rpc.removeprefix(IPC)).with_name("events"))


def _checked(endpoint: str) -> str:
    if endpoint.startswith("tcp://"):
        raise UriError(f"{endpoint}: tcp needs CURVE keys, which this client cannot use yet")
    path = endpoint.removeprefix(IPC)
    if path == endpoint or not path:
        raise UriError(f"{endpoint}: expected a run directory or an endpoint ipc://PATH")
    if (size := len(os.fsencode(path))) > PATH_MAX:
        raise UriError(f"{path}: path has {size} bytes, a unix socket's has at most {PATH_MAX}")
    return endpoint
