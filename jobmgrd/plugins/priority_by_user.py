"""priority-by-user: static shares of users and banks decide who goes first.

    [[job-manager.plugins]]
    load = "priority-by-user"
    conf = { users = { alice = 20, 1001 = 5 }, banks = { physics = 10 }, default = 1 }

A job's share is that of its user, or else of its bank, or else the default. Priority is share times
100 plus urgency: a larger share goes first whatever the urgency of an unprivileged job, and the
urgency decides among jobs of equal shares.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, convert

from jobmgrd.plugins import JobView, Manager, hookimpl
from jobmgrd.plugins.userids import by_userid
from protocol.job import PRIORITY_MAX

SCALE: Final = 100

Share = Annotated[int, Meta(ge=0, le=PRIORITY_MAX // SCALE - 1)]


class Conf(Struct, frozen=True, forbid_unknown_fields=True):
    """Shares; users are names or numbers."""

    users: Mapping[str, Share] = {}
    banks: Mapping[str, Share] = {}
    default: Share = 1


class PriorityByUser:
    """Has no state: the configuration says it all."""

    def __init__(self, conf: Mapping[str, Any], _manager: Manager) -> None:
        self._conf = convert(conf, Conf)
        self._users = by_userid(self._conf.users)

    @hookimpl
    def priority(self, job: JobView) -> int:
        """See Hooks; a share of 0 holds the jobs that have it."""
        share = self._users.get(job.userid)
        if share is None:
            share = self._conf.banks.get(job.bank, self._conf.default)
        return share * SCALE + job.urgency if share else 0
