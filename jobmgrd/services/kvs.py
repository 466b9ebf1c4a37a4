"""kvs.lookup: the keys of Flux's key-value store that clients read of an instance and its jobs.

There is no such store here. `resource.R` and `job.<id>.<key>` (RFC 16) are answered from what the
daemon keeps, as values of RFC 11; all else does not exist, and nothing can be written.
"""

import errno
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from jobmgrd.call import Call
from jobmgrd.routes import OWNER, Route
from protocol import jobid
from protocol.errors import RpcError
from protocol.job_info import LookupRequest

NAMESPACE: Final = "primary"
READDIR: Final = 0x01
READLINK: Final = 0x02
_JOB: Final = re.compile(r"job\.([0-9a-f]{4}(?:\.[0-9a-f]{4}){3})\.(.+)")

Lookup = Callable[[Call, LookupRequest], Awaitable[Mapping[str, Any]]]


class KvsRequest(Struct, frozen=True):
    """kvs.lookup: a key of a namespace; the flags say what to make of it."""

    key: str
    namespace: str = NAMESPACE
    flags: int = 0


class Kvs:
    """Reads for the owner alone, whose namespace it is.

    Args:
        resources: R of all there is, as JSON.
        lookup: what job-info tells of a job.
    """

    def __init__(self, resources: Callable[[], bytes], lookup: Lookup) -> None:
        self._resources = resources
        self._lookup = lookup

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("kvs.lookup", KvsRequest, self.lookup, role=OWNER)]

    async def lookup(self, call: Call, request: KvsRequest) -> Mapping[str, Any]:
        """The value of a key."""
        if request.flags & (READDIR | READLINK):
            raise RpcError(errno.ENOSYS, "jobmgrd keeps no directories and links of a KVS")
        if request.namespace != NAMESPACE:
            raise RpcError(errno.ENOTSUP, f"namespace {request.namespace} does not exist")
        return {"val": _value(await self._read(call, request.key.strip(".")))}

    async def _read(self, call: Call, key: str) -> bytes:
        if key == "resource.R":
            return self._resources()
        id, name = _of_job(key)
        reply = await self._lookup(call, LookupRequest(id, [name]))
        return str(reply[name]).encode()


def _of_job(key: str) -> tuple[int, str]:
    """The job, and the key of its directory.

    Raises:
        RpcError: ENOENT, it is no such key.
    """
    found = _JOB.fullmatch(key)
    if found is None:
        raise RpcError(errno.ENOENT)
    return jobid.parse(found[1]), found[2]


def _value(data: bytes) -> Mapping[str, Any]:
    return {"ver": 1, "type": "val", "data": b64encode(data).decode()}
