"""All sockets of the daemon: made together, opened when everything behind them is there."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import zmq

from jobmgrd.access import Access
from jobmgrd.config import Loaded
from jobmgrd.private import private_umask
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router
from jobmgrd.transport.curve import CurveTransport
from jobmgrd.transport.unix_local import UnixLocal
from jobmgrd.transport.zmq_pub import ZmqPub
from jobmgrd.transport.zmq_router import ZmqRouter
from protocol.message import Cred

TCP: Final = "tcp://"


class Sockets:
    """PUB, ROUTER and the local connector, and for clients with keys those over tcp.

    Args:
        loaded: the configuration, with the keys if there is a tcp:// endpoint.
        rundir: where the local connector is.
        expand: fills the templates of endpoints.
        access: knows whom the local connector lets in.
        router: gets what comes in.
        publisher: gets the ways out for events.
        cred: who the owner is.
    """

    def __init__(
        self,
        loaded: Loaded,
        rundir: Path,
        expand: Callable[[str], str],
        *,
        access: Access,
        router: Router,
        publisher: Publisher,
        cred: Cred,
    ) -> None:
        config = loaded.config
        rpc, events = ([expand(text) for text in part.bind] for part in (config.rpc, config.events))
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._closing = AsyncExitStack()
        self._closing.callback(context.term)
        self.pub = ZmqPub(context, _local(events), cred)
        self._closing.callback(self.pub.close)
        publisher.add(self.pub)
        self.rpc = ZmqRouter(
            context,
            _local(rpc),
            router.dispatch,
            cred=cred,
            guard=router.guard,
            turns=router.turns,
        )
        self._closing.callback(self.rpc.close)
        self._curve: CurveTransport | None = None
        if loaded.keys is not None:
            self._curve = CurveTransport(
                context,
                _remote(rpc),
                _remote(events),
                loaded.keys.own,
                router.dispatch,
                router.expel,
                cred=cred,
                guard=router.guard,
                turns=router.turns,
                monotonic=time.monotonic,
            )
            self._closing.callback(self._curve.close)
            publisher.add(self._curve)
        self.local = UnixLocal(
            rundir / "local",
            access,
            router.dispatch,
            router.disconnect,
            guard=router.guard,
            turns=router.turns,
        )
        router.add(self.local)
        self._closing.push_async_callback(self.local.close)

    async def open(self) -> None:
        """Bind; from now on clients are served.

        Raises:
            zmq.ZMQError, OSError: an endpoint is taken, or cannot be used.
        """
        with private_umask():
            self.pub.open()
            self.rpc.open()
            if self._curve is not None:
                self._curve.open()
            await self.local.open()

    def admit_keys(self, creds: Mapping[str, Cred]) -> None:
        """Let in over tcp whoever has one of these keys, as the user that it stands for.

        Who is connected otherwise than it would be now is let go, on RUNDIR/local, too.
        """
        if self._curve is not None:
            self._curve.configure(creds)
        self.local.look_again()

    async def close(self) -> None:
        """Close them in reverse; what was sent goes out first."""
        await self._closing.aclose()


def _local(endpoints: Sequence[str]) -> Sequence[str]:
    return [endpoint for endpoint in endpoints if not endpoint.startswith(TCP)]


def _remote(endpoints: Sequence[str]) -> Sequence[str]:
    return [endpoint for endpoint in endpoints if endpoint.startswith(TCP)]
