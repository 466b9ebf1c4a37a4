"""Gathers what the parts of the daemon count into one sample, each time that somebody asks."""

from msgspec import Struct

from jobmgrd.metrics.exposition import Sample, Traffic
from jobmgrd.metrics.rpcs import RpcMeters
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router
from jobmgrd.services.assembly import Services
from jobmgrd.store.port import Store
from jobmgrd.transport.sockets import Sockets


class Sources(Struct, frozen=True):
    """Who is asked."""

    services: Services
    store: Store
    router: Router
    publisher: Publisher
    sockets: Sockets


class Sampler:
    """Has requests counted from its construction on."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._meters = sources.router.meters = RpcMeters(sources.router.table)

    async def sample(self) -> Sample:
        """The numbers of now. Costs a pass over the active jobs, and nothing by history.

        Raises:
            StoreError: the store cannot be read.
        """
        sources = self._from
        return Sample(
            jobs=await sources.services.job_stats.count(),
            stats=sources.services.stats.gather(),
            store=sources.store.stats(),
            traffic=Traffic(
                topics=self._meters.asked(),
                streams=sources.router.streams,
                malformed=sources.sockets.rpc.malformed + sources.sockets.local.malformed,
                dropped=sources.sockets.rpc.dropped,
                published=sources.publisher.sequence,
                overflows=sources.sockets.pub.overflows,
                heartbeats=sources.services.heartbeat.count,
            ),
        )
