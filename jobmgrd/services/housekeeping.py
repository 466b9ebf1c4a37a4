"""job-manager.housekeeping-kill: end what runs after jobs, and for too long (housekeeping.c)."""

import errno
import signal
from collections.abc import Iterable

from jobmgrd.call import Call
from jobmgrd.housekeeping import Housekeeping
from jobmgrd.routes import OWNER, Route
from protocol import idset
from protocol.errors import FormatError, RpcError
from protocol.job_manager import HousekeepingKillRequest


class HousekeepingKill:
    """What is ended by a signal has failed: its nodes are drained, and then free."""

    def __init__(self, housekeeping: Housekeeping) -> None:
        self._housekeeping = housekeeping

    def routes(self) -> Iterable[Route]:
        """See Service."""
        topic = "job-manager.housekeeping-kill"
        return [Route(topic, HousekeepingKillRequest, self.kill, role=OWNER)]

    def kill(self, _call: Call, request: HousekeepingKillRequest) -> None:
        """Send a signal to the commands of a job, or of nodes, or to all of them."""
        if not 0 < request.signum < signal.NSIG:
            raise RpcError(errno.EINVAL, "Invalid signal number")
        try:
            ranks = None if request.ranks is None else frozenset(idset.parse(request.ranks))
        except FormatError as error:
            raise RpcError(errno.EPROTO, str(error)) from error
        self._housekeeping.signal(request.signum, request.jobid, ranks)
