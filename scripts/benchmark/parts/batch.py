"""A batch of jobs: submitted by one process, every event of theirs watched by another."""

from typing import Any

from msgspec import Struct

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.worker import Worker


class Rates(Struct, frozen=True):
    """Jobs a second: to the end of the last one, and to the answer of the last submit."""

    ended: float
    submitted: float


def run_batch(daemon: Daemon, count: int, jobspec: dict[str, Any]) -> Rates:
    """Run that many jobs, and wait until the watcher saw the end of every one."""
    with (
        Worker("watch", uri=daemon.uri, count=count) as watch,
        Worker("submit", uri=daemon.uri, count=count, jobspec=jobspec) as submit,
    ):
        watch.read()
        submit.read()
        submit.go()
        submitted = submit.read()
        begin = submitted["begin"]
        return Rates(count / (watch.read()["end"] - begin), count / (submitted["end"] - begin))
