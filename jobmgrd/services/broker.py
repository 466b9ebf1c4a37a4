"""What clients ask a broker about itself: its state, and which others are online.

The daemon is the one broker there is, whatever number of nodes it pretends to have.
"""

import errno
import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from jobmgrd.call import Call, Empty, Stream
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route
from protocol import idset
from protocol.errors import RpcError


class StateReply(Struct, frozen=True):
    """state-machine.get: the state's name, and the seconds since it was entered."""

    state: str
    duration: float


class GroupRequest(Struct, frozen=True):
    """groups.get: the group's name."""

    name: str


class GroupReply(Struct, frozen=True):
    """groups.get: the ranks of its members, as an idset."""

    members: str


class Broker:
    """It runs from its start until it ends.

    Args:
        router: for streams that end when their client says so.
        ranks: all there are.
        clock: seconds that only grow.
    """

    def __init__(
        self, router: Router, ranks: Iterable[int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._router = router
        self._members = idset.format(ranks)
        self._clock = clock
        self._started = clock()

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("state-machine.get", Empty, self.state),
            Route("groups.get", GroupRequest, self.group, streaming=None),
            cancel_route("groups.get", self._router),
        ]

    def state(self, _call: Call, _request: Empty) -> StateReply:
        """The state is "run": a daemon in any other has no socket."""
        return StateReply("run", self._clock() - self._started)

    def group(self, call: Call, request: GroupRequest) -> GroupReply | None:
        """All ranks are online, and none torpid; a stream stays open, for nothing changes."""
        if not request.name.startswith("broker."):
            raise RpcError(errno.ENOENT, f"group {request.name} does not exist")
        reply = GroupReply(self._members if request.name == "broker.online" else "")
        if not isinstance(call, Stream):
            return reply
        call.send(reply)
        return None
