"""What every service answers, as every module of a broker does: ping, rusage, stats (method.c)."""

import errno
import resource
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from jobmgrd.call import Call, Empty
from jobmgrd.router import Router
from jobmgrd.routes import OWNER, Route
from protocol.errors import RpcError

_WHO: Final = {
    "self": resource.RUSAGE_SELF,
    "children": resource.RUSAGE_CHILDREN,
    "thread": resource.RUSAGE_THREAD,
}


class RusageRequest(Struct, frozen=True):
    """SERVICE.rusage: of this process, its children, or this thread."""

    who: str = "self"


class Methods:
    """These methods for every service that the router knows by now, unless it has its own."""

    def __init__(self, router: Router) -> None:
        self._router = router

    @property
    def services(self) -> list[str]:
        """The names of all services; a topic without a dot belongs to none."""
        names = {topic.partition(".")[0] for topic in self._router.table if "." in topic}
        return sorted(names | {"broker"})

    def routes(self) -> Iterable[Route]:
        """See Service."""
        made = [
            route
            for service in self.services
            for route in (
                Route(f"{service}.ping", Mapping[str, Any], self.ping),
                Route(f"{service}.rusage", RusageRequest, self.rusage),
                Route(f"{service}.stats-get", Empty, self.stats),
                Route(f"{service}.stats-clear", Empty, self.clear, role=OWNER),
            )
        ]
        return [route for route in made if route.topic not in self._router.table]

    def ping(self, call: Call, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was sent, and who sent it as the daemon sees it."""
        return {
            **request,
            "userid": call.cred.userid,
            "rolemask": call.cred.rolemask,
            "rank": 0,
            "route": "jobmgrd",
        }

    def rusage(self, _call: Call, request: RusageRequest) -> Mapping[str, Any]:
        """What the daemon has used, whichever service is asked (getrusage(2))."""
        if request.who not in _WHO:
            raise RpcError(errno.EINVAL, f"{request.who} is unsupported")
        usage = resource.getrusage(_WHO[request.who])
        return {
            name.removeprefix("ru_"): getattr(usage, name)
            for name in dir(usage)
            if name.startswith("ru_")
        }

    def stats(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """What the router has counted, for services that count nothing themselves."""
        router = self._router
        return {"requests": router.requests, "errors": router.errors, "streams": router.streams}

    def clear(self, call: Call, _request: Empty) -> None:
        """Counters are not set back: other clients go by them."""
        raise RpcError(errno.ENOSYS, f"{call.topic}: jobmgrd never sets its counters back")
