"""The nodes that jobs run on: as they are configured, and for the rest what this host has."""

import os
import socket
from collections.abc import Sequence

from jobmgrd.config.queue_tables import Resource
from jobmgrd.jobs.nodes import NodeConfig, configured, ranks_of


def usable_cores() -> int:
    """How many cores the daemon may run on."""
    return len(os.sched_getaffinity(0))


def nodes(resource: Resource) -> Sequence[NodeConfig]:
    """What each node has, or pretends to have.

    Raises:
        FormatError: a node has no cores.
    """
    if resource.config:
        return configured(resource.config)
    cores = usable_cores() if resource.cores is None else resource.cores
    return [NodeConfig(0, socket.gethostname(), cores, resource.gpus)]


def excluded(resource: Resource, among: Sequence[NodeConfig]) -> Sequence[int]:
    """The ranks of those nodes that no job is to get.

    Raises:
        FormatError: they are not named as ranks or hosts, or there are no such nodes.
    """
    return ranks_of(resource.exclude, {node.rank: node.host for node in among})
