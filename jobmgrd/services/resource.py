"""resource.status, sched-status: the nodes, which of them are usable, what is held (status.c)."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from jobmgrd.call import Call, Empty
from jobmgrd.engine import Engine
from jobmgrd.jobs import drains
from jobmgrd.routes import Route
from jobmgrd.services.resource_drain import ResourceDrain
from protocol import idset, resource_set
from protocol.resource import SchedStatusReply, StatusReply
from protocol.resource_set import ResourceSet


class Resource:
    """What there is. Every node is this host, so that all are online while the daemon is."""

    def __init__(self, engine: Engine, drain: ResourceDrain) -> None:
        self._scheduler = engine.allocator.scheduler
        self._drain = drain

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("resource.status", Empty, self.status),
            Route("resource.sched-status", Empty, self.sched_status),
            Route("sched.resource-status", Empty, self.sched_status),
            Route("job-manager.resource-status", Empty, self.allocated),
        ]

    def status(self, _call: Call, _request: Empty) -> StatusReply:
        """All nodes, and those that are drained or excluded."""
        return StatusReply(
            R=self._inventory,
            drain=drains.shown(self._drain.drained),
            online=idset.format(self._scheduler.hosts),
            offline="",
            exclude=idset.format(self._scheduler.excluded),
            torpid="",
        )

    def sched_status(self, _call: Call, _request: Empty) -> SchedStatusReply:
        """The nodes that are not excluded, those that new jobs cannot use, and what jobs hold."""
        return SchedStatusReply(
            all=self._all,
            down=_object(self._scheduler.of(self._drain.drained.keys())),
            allocated=_object(self._scheduler.allocated),
        )

    def allocated(self, _call: Call, _request: Empty) -> Mapping[str, Any]:
        """What jobs hold."""
        return {"allocated": _object(self._scheduler.allocated)}

    @cached_property
    def _inventory(self) -> Mapping[str, Any]:
        return _object(self._scheduler.inventory)

    @cached_property
    def _all(self) -> Mapping[str, Any]:
        return _object(self._scheduler.all)


def _object(resources: ResourceSet) -> Mapping[str, Any]:
    value: Mapping[str, Any] = msgspec.json.decode(resource_set.encode(resources))
    return value
