"""feasibility.check: whether a job could ever run here, without submitting it (scheduler.py)."""

import errno
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from jobmgrd.call import Call
from jobmgrd.engine import Engine
from jobmgrd.routes import Route
from protocol.errors import FormatError, RpcError
from protocol.jobspec import parse


class FeasibilityRequest(Struct, frozen=True):
    """The jobspec (RFC 25); other keys of the job's request are read past."""

    jobspec: Mapping[str, Any]


class Feasibility:
    """Looks at all nodes as if they were idle, drained ones included."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("feasibility.check", FeasibilityRequest, self.check)]

    def check(self, _call: Call, request: FeasibilityRequest) -> None:
        """Refuse what could not run: EOVERFLOW, or EINVAL if it is no jobspec."""
        try:
            spec = parse(request.jobspec)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        try:
            self._engine.allocator.scheduler.check(spec)
        except FormatError as error:
            raise RpcError(errno.EOVERFLOW, str(error)) from error
