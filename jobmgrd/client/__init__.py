"""The client library: talk to a jobmgrd from a program, with asyncio or without.

    from jobmgrd.client import Client

    async with Client() as client:
        reply = await client.rpc("job-manager.purge", {"age_limit": 3600.0, "force": True})
        print(reply["count"])
        async with client.subscribe("job-purge-inactive") as events:
            async for event in events:
                print(event.payload["jobs"])

follow_purges hands over every purge once; Follower, in jobmgrd.client.follower, keeps a cache of
all jobs true. BlockingClient has the methods of Client for scripts, without async and await.
Topics and keys are the daemon's; a reply is a dict, or the type that `reply=` names.

Each name is imported when it is used: what a script does not need, asyncio above all, would take
longer to import than an RPC takes, many times over.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobmgrd.client.blocking import BlockingClient, BlockingSubscription
    from jobmgrd.client.connection import Client
    from jobmgrd.client.errors import (
        ConnectionLostError,
        NoDaemonError,
        NotAdmittedError,
        RpcTimeoutError,
    )
    from jobmgrd.client.events import Event
    from jobmgrd.client.purges import follow_purges
    from jobmgrd.client.subscription import Subscription
    from jobmgrd.client.uri import Endpoints, UriError, find
    from protocol.errors import RpcError
else:
    _HOMES = {
        "BlockingClient": "jobmgrd.client.blocking",
        "BlockingSubscription": "jobmgrd.client.blocking",
        "Client": "jobmgrd.client.connection",
        "ConnectionLostError": "jobmgrd.client.errors",
        "Endpoints": "jobmgrd.client.uri",
        "Event": "jobmgrd.client.events",
        "NoDaemonError": "jobmgrd.client.errors",
        "NotAdmittedError": "jobmgrd.client.errors",
        "RpcError": "protocol.errors",
        "RpcTimeoutError": "jobmgrd.client.errors",
        "Subscription": "jobmgrd.client.subscription",
        "UriError": "jobmgrd.client.uri",
        "find": "jobmgrd.client.uri",
        "follow_purges": "jobmgrd.client.purges",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(_HOMES[name]), name)
        return value


__all__ = [
    "BlockingClient",
    "BlockingSubscription",
    "Client",
    "ConnectionLostError",
    "Endpoints",
    "Event",
    "NoDaemonError",
    "NotAdmittedError",
    "RpcError",
    "RpcTimeoutError",
    "Subscription",
    "UriError",
    "find",
    "follow_purges",
]
