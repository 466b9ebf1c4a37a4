"""Which active jobs an RPC that names no ids is about: those of a user, in some states."""

import errno
from typing import Final

from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from protocol.errors import RpcError
from protocol.job import State
from protocol.message import Cred

EVERYBODY: Final = frozenset((2**32 - 1, -1))
"""FLUX_USERID_UNKNOWN stands for all users; C clients may send it as a signed integer."""


def targets(engine: Engine, cred: Cred, userid: int, states: State, text: str) -> list[Job]:
    """The active jobs of a user, or of all users, in any of these states; the oldest id first.

    Raises:
        RpcError: EPERM with this text, for a guest who asks for more than the own jobs.
    """
    if not cred.is_owner and cred.userid != userid:
        raise RpcError(errno.EPERM, text)
    everybody = userid in EVERYBODY
    found = [
        job
        for job in engine.jobs.values()
        if job.state & states & State.ACTIVE and (everybody or job.userid == userid)
    ]
    return sorted(found, key=lambda job: job.id)
