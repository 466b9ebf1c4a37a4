"""Asks the system whether anybody listens at an endpoint, which ZeroMQ would not tell of ipc.

Over tcp it does tell, and is not asked before: a daemon that is reached and not spoken to takes
that for a peer that fails.
"""

import socket
from typing import Final

from jobmgrd.client.errors import NoDaemonError
from jobmgrd.client.uri import IPC, TCP, address

CONNECT_MAX: Final = 5.0
"""Seconds to wait for a daemon on another host to accept."""


def reachable(endpoint: str) -> None:
    """Return if somebody listens there, over tcp, after all.

    Raises:
        NoDaemonError: nobody does; the text says why.
    """
    try:
        socket.create_connection(address(endpoint), CONNECT_MAX).close()
    except OSError as error:
        raise NoDaemonError(endpoint, error.strerror or str(error)) from error


def listening(endpoint: str) -> None:
    """Return if somebody does, or if the endpoint is one over tcp.

    Raises:
        NoDaemonError: nobody listens there.
    """
    if endpoint.startswith(TCP):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(endpoint.removeprefix(IPC))
        except BlockingIOError:
            return  # the daemon is there, its backlog is full
        except OSError as error:
            raise NoDaemonError(endpoint, error.strerror or str(error)) from error
