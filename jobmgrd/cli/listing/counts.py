"""The line of jobmgr jobs --stats: how many jobs there are, and how they ended."""

from collections.abc import Sequence

from jobmgrd.cli.failure import CommandError
from jobmgrd.client import BlockingClient
from protocol.job_list import JobStats, StatsReply


class Summary:
    """Jobs of all queues, or of some; every job that did not succeed counts as failed."""

    def __init__(self, stats: Sequence[JobStats]) -> None:
        states = [one.job_states for one in stats]
        self.pending = sum(s["depend"] + s["priority"] + s["sched"] for s in states)
        self.running = sum(s["run"] + s["cleanup"] for s in states)
        self.active = sum(s["total"] - s["inactive"] for s in states)
        self.successful = sum(one.successful for one in stats)
        self.failed = sum(one.failed + one.canceled + one.timeout for one in stats)
        self.purged = sum(one.inactive_purged for one in stats)

    def __str__(self) -> str:
        return (
            f"{self.running} running, {self.successful} completed, {self.failed} failed,"
            f" {self.pending} pending, {self.purged} inactive purged"
        )


def summary(client: BlockingClient, queues: Sequence[str]) -> Summary:
    """Ask for it.

    Raises:
        CommandError: there is nothing to say of a queue.
        RpcError: as job-list.job-stats.
    """
    reply = client.rpc("job-list.job-stats", reply=StatsReply)
    if not queues:
        return Summary([reply])
    known = {stats.name: stats for stats in reply.queues}
    for queue in queues:
        if queue not in known:
            raise CommandError(f"no stats available for queue {queue}")
    return Summary([known[queue] for queue in dict.fromkeys(queues)])
