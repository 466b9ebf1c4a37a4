"""What can go wrong between a client and its daemon, beside an answer that is an error.

protocol.errors.RpcError   the daemon answered: no
ConnectionError
├── NoDaemonError          nobody answers at the URI; nothing was sent
└── ConnectionLostError    the daemon went away; what was asked may or may not be done
    └── NotAdmittedError   it does not let this user or key in; nothing was done
TimeoutError
└── RpcTimeoutError        no answer in time; what was asked may or may not be done
ValueError
└── uri.UriError           the URI itself is wrong
"""

from typing import Final

LOST: Final = "the daemon closed the connection"
REFUSED: Final = "the daemon does not let this key in"
UNFINISHED: Final = "the daemon ended the handshake: is its public key another than --server-key?"


class NoDaemonError(ConnectionError):
    """No daemon answers at the endpoint. Known at once, without waiting for a timeout."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"no jobmgrd answers at {endpoint}: {reason}, is it running?")


class ConnectionLostError(ConnectionError):
    """The connection broke, or was closed, while an answer was awaited."""


class NotAdmittedError(ConnectionLostError):
    """The daemon is there, and does not let us in. To ask again would be of no use."""


class RpcTimeoutError(TimeoutError):
    """The daemon is there but did not answer in time."""

    def __init__(self, topic: str, timeout: float) -> None:
        super().__init__(f"no answer to {topic} within {timeout:g} s")
