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
"""

from jobmgrd.client.blocking import BlockingClient, BlockingSubscription
from jobmgrd.client.connection import Client
from jobmgrd.client.errors import ConnectionLostError, NoDaemonError, RpcTimeoutError
from jobmgrd.client.events import Event
from jobmgrd.client.purges import follow_purges
from jobmgrd.client.subscription import Subscription
from jobmgrd.client.uri import Endpoints, UriError, find
from protocol.errors import RpcError

__all__ = [
    "BlockingClient",
    "BlockingSubscription",
    "Client",
    "ConnectionLostError",
    "Endpoints",
    "Event",
    "NoDaemonError",
    "RpcError",
    "RpcTimeoutError",
    "Subscription",
    "UriError",
    "find",
    "follow_purges",
]
