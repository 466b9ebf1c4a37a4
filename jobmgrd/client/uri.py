"""Where the daemon is: an argument, the environment, or the default run directory.

A URI is one of these:

    /run/jobmgrd                 a run directory: its local connector if that is served, else ZeroMQ
    local:///run/jobmgrd/local   the local connector, spelled as Flux does
    ipc:///run/jobmgrd/rpc       ZeroMQ's RPC socket, with events at its sibling `events`; or both
                                 endpoints with a comma between them
    tcp://HOST:PORT              the same with keys (docs/curve.md)

Where no endpoint of events is known, they come over the connection that subscribes to them.
"""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jobmgrd.rundir import default_rundir

if TYPE_CHECKING:
    from jobmgrd.curve import Curve

LOCAL: Final = "local://"
IPC: Final = "ipc://"
TCP: Final = "tcp://"
PATH_MAX: Final = 107
"""Bytes of a unix socket's path: sun_path without its NUL (unix(7))."""
PORT_MAX: Final = 2**16 - 1


class UriError(ValueError):
    """A URI that names no place a client could connect to."""


class Endpoints(Struct, frozen=True):
    """Where a daemon is asked, where its events are, and the keys that those over tcp need.

    `local` is the local connector beside them, to be taken instead of both if it is served.
    """

    rpc: str
    events: str | None = None
    curve: "Curve | None" = None
    local: str | None = None

    def __str__(self) -> str:
        return self.rpc if self.local is None else str(self.rundir)

    @property
    def rundir(self) -> Path | None:
        """The run directory; None for a daemon that may be on another host."""
        scheme, _, path = self.rpc.partition("://")
        return None if f"{scheme}://" == TCP else Path(path).parent


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
    if "://" not in uri:
        ipc = f"{IPC}{uri}/rpc"
        return Endpoints(_checked(ipc), _checked(_sibling(ipc)), local=f"{LOCAL}{uri}/local")
    if uri.startswith(LOCAL):
        return Endpoints(_checked(uri, LOCAL))
    rpc, _, events = uri.partition(",")
    if rpc.startswith(TCP) or events.startswith(TCP):
        keys = _keys(uri, key or environ.get("JOBMGRD_KEY"), _server(server_key, environ))
        return Endpoints(_checked(rpc), _checked(events) if events else None, keys)
    return Endpoints(_checked(rpc), _checked(events or _sibling(rpc)))


def _server(given: str | None, environ: Mapping[str, str]) -> str | None:
    return given or environ.get("JOBMGRD_SERVER_KEY")


def _keys(uri: str, key: str | None, server_key: str | None) -> "Curve":
    if not key or not server_key:
        missing = (
            "the client's key (--key, $JOBMGRD_KEY)"
            if not key
            else "the daemon's public key (--server-key, $JOBMGRD_SERVER_KEY)"
        )
        raise UriError(f"{uri}: tcp needs CURVE keys, and {missing} is not given")
    from jobmgrd import curve  # noqa: PLC0415 - who is on this host needs no keys

    return curve.Curve(curve.read_secret(Path(key)), curve.read_public(Path(server_key)))


def _sibling(rpc: str) -> str:
    return IPC + str(PurePath(rpc.removeprefix(IPC)).with_name("events"))


def _checked(endpoint: str, scheme: str = IPC) -> str:
    if endpoint.startswith(TCP):
        host, port = address(endpoint)
        if not host or not 0 < port <= PORT_MAX:
            raise UriError(f"{endpoint}: expected tcp://HOST:PORT")
        return endpoint
    path = endpoint.removeprefix(scheme)
    if path == endpoint or not path:
        raise UriError(
            f"{endpoint}: expected a run directory or an endpoint local://PATH or ipc://PATH"
        )
    if (size := len(os.fsencode(path))) > PATH_MAX:
        raise UriError(f"{path}: path has {size} bytes, a unix socket's has at most {PATH_MAX}")
    return endpoint


def address(endpoint: str) -> tuple[str, int]:
    """The host and the port of an endpoint over tcp; port 0 if it names none."""
    host, _, port = endpoint.removeprefix(TCP).rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdecimal() else 0
