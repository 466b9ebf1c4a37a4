"""attr: the daemon's attributes, as clients ask a broker for its own (broker/attr.c, RFC 3)."""

import errno
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from jobmgrd import VERSION, log_ring
from jobmgrd.call import Call, Empty
from jobmgrd.routes import OWNER, Route
from protocol import hostlist
from protocol.errors import RpcError

FLUX_VERSION: Final = "0.88.0"
"""The flux-core that the daemon behaves like: clients compare it with their own."""
IMMUTABLE: Final = 1
"""A flag that lets clients keep the value, and ask no more."""


class AttrRequest(Struct, frozen=True):
    """attr.get, attr.set, attr.rm: which one."""

    name: str


class AttrReply(Struct, frozen=True):
    """attr.get: values are strings, whatever they mean."""

    value: str
    flags: int = IMMUTABLE


class AttrListReply(Struct, frozen=True):
    """attr.list: the names, in order."""

    names: Sequence[str]


class Attr:
    """None of them changes while the daemon runs."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = dict(sorted(attributes.items()))

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("attr.get", AttrRequest, self.get),
            Route("attr.list", Empty, self.list),
            Route("attr.set", AttrRequest, self.refuse, role=OWNER),
            Route("attr.rm", AttrRequest, self.refuse, role=OWNER),
        ]

    def get(self, _call: Call, request: AttrRequest) -> AttrReply:
        """The value of one."""
        value = self._attributes.get(request.name)
        if value is None:
            raise RpcError(errno.ENOENT)
        return AttrReply(value)

    def list(self, _call: Call, _request: Empty) -> AttrListReply:
        """The names of all."""
        return AttrListReply(list(self._attributes))

    def refuse(self, _call: Call, request: AttrRequest) -> Mapping[str, Any]:
        """Whatever is to change, does not."""
        if request.name in self._attributes:
            raise RpcError(errno.EPERM, "attribute may not be updated")
        raise RpcError(errno.ENOENT, "unknown attribute")


def attributes(
    hosts: Mapping[int, str], owner: int, rundir: Path, statedir: Path
) -> Mapping[str, str]:
    """The attributes of a daemon, named as a broker's (flux-broker-attributes(7)).

    Args:
        hosts: each rank's.
        owner: the userid.
        rundir: where the sockets are.
        statedir: where the store is.
    """
    return {
        "broker.boot-method": "single",
        "broker.critical-ranks": "0",
        "broker.mapping": f"[[0,{len(hosts)},1,1]]",
        "broker.pid": str(os.getpid()),
        "broker.quorum": "1",
        "broker.starttime": f"{time.time():.2f}",
        "hostlist": hostlist.format(host for _, host in sorted(hosts.items())),
        "hostname": socket.gethostname(),
        "instance-level": "0",
        "jobid-path": "/",
        "jobmgrd.version": VERSION,
        "local-uri": f"local://{rundir}/local",
        "log-ring-size": str(log_ring.SIZE),
        "rank": "0",
        "rundir": str(rundir),
        "security.owner": str(owner),
        "size": str(len(hosts)),
        "statedir": str(statedir),
        "tbon.level": "0",
        "tbon.maxlevel": "0",
        "version": FLUX_VERSION,
    }
