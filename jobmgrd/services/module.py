"""module: the services as the broker modules that clients take them for (broker/module.c)."""

import errno
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from jobmgrd.call import Call, Empty
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError

RUNNING: Final = 1


class Module(Struct, frozen=True):
    """One module: `idle` is in heartbeats, `services` are names besides its own."""

    name: str
    path: str = "builtin"
    idle: int = 0
    status: int = RUNNING
    services: Sequence[str] = ()
    sendqueue: int = 0
    recvqueue: int = 0


class ModuleListReply(Struct, frozen=True):
    """module.list: all of them, by name."""

    mods: Sequence[Module]


class Modules:
    """They are part of the daemon: none can be loaded or removed."""

    def __init__(self, names: Iterable[str]) -> None:
        self._modules = ModuleListReply([Module(name) for name in sorted(names)])

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("module.list", Empty, self.list),
            *(
                Route(f"module.{method}", Empty, self.refuse, role=OWNER)
                for method in ("load", "remove", "reload", "debug")
            ),
        ]

    def list(self, _call: Call, _request: Empty) -> ModuleListReply:
        """All modules."""
        return self._modules

    def refuse(self, call: Call, _request: Empty) -> None:
        """Whatever is to be done with one, is not."""
        raise RpcError(errno.ENOSYS, f"{call.topic}: jobmgrd's services are not modules")
