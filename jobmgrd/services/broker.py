"""SERVICE.ping: is a service there, and how far away is it (flux-core's ping)."""

from collections.abc import Iterable, Mapping
from typing import Any

from jobmgrd.call import Call
from jobmgrd.router import Route


class Ping:
    """A ping for every service that the router knows."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = services

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route(f"{service}.ping", Mapping[str, Any], self.ping) for service in self._services
        ]

    def ping(self, call: Call, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was sent, and who sent it as the daemon sees it."""
        return {
            **request,
            "userid": call.cred.userid,
            "rolemask": call.cred.rolemask,
            "route": "jobmgrd",
        }
