"""A daemon that is reached over tcp with CURVE keys, and clients that have such keys."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import zmq

from jobmgrd.client import BlockingClient
from jobmgrd.curve import Curve, generate, read_public, read_secret, write
from tests.conftest import DaemonProcess

GUEST: Final = 4242
WAIT: Final = 10_000
NO_OPTIONS: Final[Mapping[int, int]] = {}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Site:
    """A daemon with tcp:// endpoints, and the keys of its clients."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.keys = daemon.directory / "keys"
        self.clients = self.keys / "clients"
        self.clients.mkdir(parents=True, mode=0o700)
        self.rpc = f"tcp://127.0.0.1:{free_port()}"
        self.events = f"tcp://127.0.0.1:{free_port()}"
        write(self.keys / "server.key", generate(), {})
        self.server = self.keys / "server.key.pub"
        self.configure()

    def configure(self, access: str = "allow-guest-user = true") -> None:
        """Write the configuration."""
        self.daemon.configure(
            f'[rpc]\nbind = ["ipc://{{{{rundir}}}}/rpc", "{self.rpc}"]\n'
            f'[events]\nbind = ["ipc://{{{{rundir}}}}/events", "{self.events}"]\n'
            f'[curve]\nsecret-key = "{self.keys}/server.key"\nclients = "{self.clients}"\n'
            f"[access]\n{access}\n"
        )

    def key(self, name: str, role: str | None = "user", userid: int = GUEST) -> Path:
        """Make a key; without a role the daemon does not get to know it."""
        path = self.keys / f"{name}.key"
        public = write(path, generate(), {"user": str(userid), "role": role or "user"})
        if role:
            public.rename(self.clients / f"{name}.pub")
        return path

    def revoke(self, name: str) -> None:
        """Take a key out, and have the daemon know."""
        (self.clients / f"{name}.pub").unlink()
        self.daemon.reload()

    def client(self, key: Path, uri: str | None = None) -> BlockingClient:
        """A client with this key."""
        return BlockingClient(uri or self.rpc, 10, key=str(key), server_key=str(self.server))

    def socket(
        self,
        kind: int,
        endpoint: str,
        key: Path | None,
        options: Mapping[int, int] = NO_OPTIONS,
    ) -> "zmq.Socket[bytes]":
        """A raw socket, with or without a key."""
        sock: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVTIMEO, WAIT)
        if key is not None:
            Curve(read_secret(key), read_public(self.server)).apply(sock)
        for option, value in options.items():
            sock.setsockopt(option, value)
        sock.connect(endpoint)
        return sock

    def logged(self) -> str:
        """What the daemon has said."""
        return self.daemon.log.read_text()
