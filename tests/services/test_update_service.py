"""job-manager.update: what may be changed to what, by whom; all of it or nothing; for good."""

import asyncio
import errno
from collections.abc import Sequence
from typing import Any

import pytest

from jobmgrd.commits import Committed
from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import QueueConfig
from jobmgrd.services.update import Update
from protocol import eventlog
from protocol.job import URGENCY_HOLD, State
from protocol.message import ROLE_USER, Cred
from tests.services.bench import OWNER, USERID, Bench

ITS_USER = Cred(USERID, ROLE_USER)
DURATION = "attributes.system.duration"
QUEUE = "attributes.system.queue"
CONSTRAINTS = "attributes.system.constraints"
NAME = "attributes.system.job.name"


QUEUES = {
    "debug": QueueConfig(),
    "batch": QueueConfig(requires=("fast",), policy=Policy(duration=3600.0)),
    "closed": QueueConfig(),
}


class Updating(Bench):
    """The bench with the service and a few queues."""

    def __init__(self) -> None:
        super().__init__(properties=frozenset({"fast", "slow"}))

    async def boot(self) -> None:
        """See Bench."""
        await super().boot()
        self.engine.allocator.queues.configure(Policy(default_queue="debug"), QUEUES)
        self.engine.allocator.queues.disable("closed", "of no use")
        for name in QUEUES:
            self.engine.allocator.queues.start(name)
        self.engine.allocator.arrange_queues()
        self.router.add(Update(self.engine, self.store, lambda: self.now))

    async def submit(self, urgency: int = 16, flags: int = 0, **options: Any) -> int:  # noqa: ANN401
        """See Bench; the queue is the default one."""
        return await super().submit(urgency, flags, **{"queue": "debug"} | options)

    @property
    def now(self) -> float:
        """The time, without letting it go on."""
        return self.engine._clock()

    async def update(self, id: int, updates: dict[str, Any], cred: Cred = OWNER) -> Any:  # noqa: ANN401
        """The answer to an update."""
        return await self.ask("job-manager.update", {"id": id, "updates": updates}, cred)

    def events(self, id: int, *names: str) -> list[dict[str, Any]]:
        """The contexts of the events of these names of an active job."""
        entries = map(eventlog.decode_line, self.engine.jobs[id].entries)
        return [dict(entry.context or {}) for entry in entries if entry.name in names]


class Ended(asyncio.Event):
    """Set once a job is inactive."""

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if any(item.last for item in batch):
            self.set()


@pytest.fixture
async def bench() -> Updating:
    """A daemon without transports that serves it."""
    made = Updating()
    await made.boot()
    return made


async def test_a_pending_job_is_updated_and_queued_again(bench: Updating) -> None:
    """It goes by PRIORITY, so that whatever depends on the jobspec is decided anew (RFC 21)."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    assert await bench.update(id, {NAME: "night", QUEUE: "batch", DURATION: 90}) == {}
    job = bench.engine.jobs[id]
    assert (job.jobspec.name, job.jobspec.queue, job.jobspec.duration) == ("night", "batch", 90.0)
    assert job.state is State.SCHED
    fast = {"properties": ["fast"]}
    assert bench.events(id, "jobspec-update") == [
        {CONSTRAINTS: fast, NAME: "night", QUEUE: "batch", DURATION: 90}
    ]
    assert job.jobspec.constraints == fast
    assert len(bench.events(id, "priority")) == 2
    bench.engine.post(job, "urgency", {"userid": 1, "urgency": 16})
    await bench.until(lambda: id in bench.executor.attempts)
    assert b'"expiration":' in (job.R or b"")


async def test_updates_outlive_the_daemon(bench: Updating) -> None:
    """Replay applies them, to what is decided and to what is listed, active or inactive."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    await bench.update(id, {NAME: "first", DURATION: 60.0})
    await bench.update(id, {NAME: "second"})
    await bench.boot()
    job = bench.engine.jobs[id]
    assert (job.jobspec.name, job.jobspec.duration) == ("second", 60.0)
    bench.engine.raise_exception(job, "cancel", 0, "")
    await bench.until(lambda: not bench.engine.jobs)
    listed = await bench.listed(("name", "duration"))
    assert listed == {id: {"id": id, "name": "second", "duration": 60.0}}


async def test_a_running_job_gets_a_new_limit(bench: Updating) -> None:
    """R's expiration is extended, and the old timer does not end the job."""
    id = await bench.started(duration=0.2)
    job = bench.engine.jobs[id]
    await bench.update(id, {DURATION: 100.0})
    assert bench.events(id, "resource-update") == [{"expiration": job.t_run + 100.0}]
    (timer,) = bench.engine.execution._timers.values()
    left = timer.when() - asyncio.get_running_loop().time()
    assert 90.0 < left <= 100.0
    await bench.update(id, {DURATION: 0.0})
    assert bench.events(id, "resource-update")[-1] == {"expiration": 0.0}
    assert not bench.engine.execution._timers
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)


async def test_a_shorter_limit_ends_a_running_job(bench: Updating) -> None:
    """As one that was submitted with it."""
    ended = Ended()
    bench.engine.commits.listen(ended)
    id = await bench.started()
    await bench.update(id, {DURATION: bench.now - bench.engine.jobs[id].t_run + 0.05})
    async with asyncio.timeout(5.0):
        await ended.wait()
    (row,) = await bench.store.recent(1)
    assert b'"timeout"' in row.eventlog


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ({}, "one or more jobspec updates are invalid"),
        ({"version": 2}, "one or more jobspec updates are invalid"),
        ({"attributesx": 2}, "one or more jobspec updates are invalid"),
        ({"attributes.system.cwd": "/"}, "update of attributes.system.cwd not supported"),
        ({"tasks": []}, "update of tasks not supported"),
        ({DURATION: -1.0}, "duration must not be negative"),
        ({DURATION: "1h"}, f"{DURATION}: expected a number of seconds"),
        ({DURATION: True}, f"{DURATION}: expected a number of seconds"),
        ({DURATION: None}, f"{DURATION}: expected a number of seconds"),
        ({NAME: ""}, f"{NAME}: expected a string that is not empty"),
        ({NAME: 3}, f"{NAME}: expected a string that is not empty"),
        ({QUEUE: {"a": 1}}, f"{QUEUE}: expected a string that is not empty"),
    ],
)
async def test_a_wrong_update_changes_nothing(
    bench: Updating, updates: dict[str, Any], text: str
) -> None:
    """Not even what is right in the same request."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    before = bench.engine.jobs[id].eventlog
    good = {} if not updates else {"attributes.system.bank": "ours"}
    assert await bench.update(id, good | updates) == (errno.EINVAL, text)
    assert bench.engine.jobs[id].eventlog == before


async def test_what_a_running_job_keeps(bench: Updating) -> None:
    """Its queue; and it does not expire in the past."""
    id = await bench.started(duration=60.0)
    before = bench.engine.jobs[id].eventlog
    for updates, text in (
        ({QUEUE: "batch"}, "update of queue for running job not supported"),
        (
            {"attributes.system.constraints": {}},
            "update of constraints for running job not supported",
        ),
        ({DURATION: 1e-9}, "requested duration places job expiration in the past"),
    ):
        assert await bench.update(id, updates) == (errno.EINVAL, text)
    assert bench.engine.jobs[id].eventlog == before


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ({QUEUE: "debug"}, "job queue is already set to debug"),
        ({QUEUE: "none"}, "'none' is not a valid queue"),
        ({QUEUE: "closed"}, "queue closed is currently disabled"),
        (
            {QUEUE: "batch"},
            "requested duration (2h) exceeds policy limit of 1h for queue batch",
        ),
        ({CONSTRAINTS: {"properties": ["none"]}}, "unsatisfiable request"),
        ({CONSTRAINTS: {"nonsense": 1}}, "unknown constraint operator"),
    ],
)
async def test_the_new_queue_must_take_the_job(
    bench: Updating, updates: dict[str, Any], text: str
) -> None:
    """As at its submission, in Flux's words."""
    id = await bench.submit(urgency=URGENCY_HOLD, queue="debug", duration=7200.0)
    errnum, refused = await bench.update(id, updates)
    assert errnum == errno.EINVAL
    assert text in refused


async def test_constraints_follow_the_queue(bench: Updating) -> None:
    """Those of the queue are always there; a user's own are not overwritten unasked."""
    id = await bench.submit(urgency=URGENCY_HOLD, queue="debug")
    job = bench.engine.jobs[id]
    await bench.update(id, {QUEUE: "batch", DURATION: 60.0})
    assert await bench.update(id, {CONSTRAINTS: {"properties": ["slow"]}}) == {}
    assert job.jobspec.constraints == {"properties": ["slow", "fast"]}
    refused = await bench.update(id, {QUEUE: "debug"})
    text = "job appears to have non-queue constraints, unable to update queue to debug"
    assert refused == (errno.EINVAL, text)
    assert await bench.update(id, {QUEUE: "debug", CONSTRAINTS: {}}) == {}
    assert (job.jobspec.queue, job.jobspec.constraints) == ("debug", {})


async def test_limits_bind_guests_and_not_the_owner(bench: Updating) -> None:
    """flux-core's update-duration lets the owner of the instance give any duration."""
    id = await bench.submit(urgency=URGENCY_HOLD, queue="batch", duration=60.0)
    errnum, text = await bench.update(id, {DURATION: 7200.0}, ITS_USER)
    assert errnum == errno.EINVAL
    assert text == "requested duration (2h) exceeds policy limit of 1h for queue batch"
    assert await bench.update(id, {DURATION: 7200.0}) == {}


async def test_guests_update_their_own_pending_jobs(bench: Updating) -> None:
    """The limit of a running one is the owner's."""
    held = await bench.submit(urgency=URGENCY_HOLD)
    assert await bench.update(held, {DURATION: 60.0}, ITS_USER) == {}
    assert not bench.engine.jobs[held].immutable
    running = await bench.started()
    text = "duration update of running job requires instance owner privileges"
    assert await bench.update(running, {DURATION: 60.0}, ITS_USER) == (errno.EINVAL, text)


async def test_an_owners_duration_makes_anothers_job_immutable(bench: Updating) -> None:
    """Or its user could build on what only the owner may give; kept over restarts."""
    id = await bench.submit(urgency=URGENCY_HOLD)
    assert await bench.update(id, {NAME: "checked"}) == {}
    assert await bench.update(id, {NAME: "by-its-user"}, ITS_USER) == {}
    assert await bench.update(id, {DURATION: 60.0}) == {}
    assert await bench.update(id, {DURATION: 70.0}) == {}
    assert bench.events(id, "set-flags") == [{"flags": ["immutable"]}]
    await bench.boot()
    refused = await bench.update(id, {NAME: "mine"}, ITS_USER)
    assert refused == (errno.EPERM, "job is immutable due to previous instance owner update")
    assert await bench.update(id, {NAME: "owner's"}) == {}
