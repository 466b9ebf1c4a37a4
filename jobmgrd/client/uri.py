"""Where the daemon is: an argument, the environment, or the default run directory.

A URI is a run directory (`/run/jobmgrd`), the ZeroMQ endpoint of the RPC socket in one
(`ipc:///run/jobmgrd/rpc`, events at its sibling `events`), or both endpoints with a comma
between them. One of `tcp://HOST:PORT` needs keys (docs/curve.md); without a second endpoint, its
events come over the connection that subscribes to them.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Final

from msgspec import Struct

from jobmgrd import curve
from jobmgrd.curve import Curve
from jobmgrd.rundir import default_rundir

IPC: Final = "ipc://"
TCP: Final = "tcp://"
PATH_MAX: Final = 107
"""Bytes of a unix socket's path: sun_path without its NUL (unix(7))."""
PORT_MAX: Final = 2**16 - 1


class UriError(ValueError):
    """A URI that names no place a client could connect to."""


class Endpoints(Struct, frozen=True):
    """The two ZeroMQ endpoints of a daemon, and the keys that those over tcp need."""

    rpc: str
    events: str | None
    curve: Curve | None = None


def find(
    uri: str | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    key: str | None = None,
    server_key: str | None = None,
) -> Endpoints:
    """The daemon's endpoints: by `uri`, else by JOBMGRD_URI, else in the default run directory.

    Args:
        uri: see above.
        environ: has JOBMGRD_URI, JOBMGRD_KEY and JOBMGRD_SERVER_KEY for what is not given.
        key: the file of the client's own key, mode 0600.
        server_key: the file of the daemon's public key.

    Raises:
        UriError: the URI has an unknown scheme, its path is too long for a unix socket, or it
            needs keys that are not given.
        KeyFileError: a key cannot be used.
    """
    uri = uri or environ.get("JOBMGRD_URI") or str(default_rundir(os.getuid(), environ))
    rpc, _, events = uri.partition(",") if "://" in uri else (f"{IPC}{uri}/rpc", "", "")
    if rpc.startswith(TCP) or events.startswith(TCP):
        keys = _keys(uri, key or environ.get("JOBMGRD_KEY"), _server(server_key, environ))
        return Endpoints(_checked(rpc), _checked(events) if events else None, keys)
    return Endpoints(_checked(rpc), _checked(events or _sibling(rpc)))


def _server(given: str | None, environ: Mapping[str, str]) -> str | None:
    return given or environ.get("JOBMGRD_SERVER_KEY")


def _keys(uri: str, key: str | None, server_key: str | None) -> Curve:
    if not key or not server_key:
        missing = (
            "the client's key (--key, $JOBMGRD_KEY)"
            if not key
            else "the daemon's public key (--server-key, $JOBMGRD_SERVER_KEY)"
        )
        raise UriError(f"{uri}: tcp needs CURVE keys, and {missing} is not given")
    return Curve(curve.read_secret(Path(key)), curve.read_public(Path(server_key)))


def _sibling(rpc: str) -> str:
    return IPC + str(PurePath(rpc.removeprefix(IPC)).with_name("events"))


def _checked(endpoint: str) -> str:
    if endpoint.startswith(TCP):
        host, port = address(endpoint)
        if not host or not 0 < port <= PORT_MAX:
            raise UriError(f"{endpoint}: expected tcp://HOST:PORT")
        return endpoint
    path = endpoint.removeprefix(IPC)
    if path == endpoint or not path:
        raise UriError(f"{endpoint}: expected a run directory or an endpoint ipc://PATH")
    if (size := len(os.fsencode(path))) > PATH_MAX:
        raise UriError(f"{path}: path has {size} bytes, a unix socket's has at most {PATH_MAX}")
    return endpoint


def address(endpoint: str) -> tuple[str, int]:
    """The host and the port of an endpoint over tcp; port 0 if it names none."""
    host, _, port = endpoint.removeprefix(TCP).rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdecimal() else 0
