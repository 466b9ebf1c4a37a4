"""job-manager.queue-*, resource.drain and feasibility.check, on the in-memory store."""

import asyncio
import errno
from typing import Any

import pytest

from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import ON_RESTART, QueueConfig
from jobmgrd.services.drain import Drain
from jobmgrd.services.feasibility import Feasibility
from jobmgrd.services.queue import QueueService
from jobmgrd.services.resource import Resource
from jobmgrd.services.resource_drain import ResourceDrain
from jobmgrd.services.update import Update
from jobmgrd.store.port import Changes, StoreError
from protocol.jobspec import from_command, set_attribute
from tests.services.bench import GUEST, OWNER, USERID, Bench, Peer

QUEUES = {"batch": QueueConfig(), "debug": QueueConfig()}
EVERY = {"all": True}


class Queueing(Bench):
    """The bench with these services, and a store whose disk may be full."""

    full = False
    stop_on_restart = False

    async def boot(self) -> None:
        """See Bench."""
        await super().boot()
        meta = (await self.store.open()).meta
        self.resource_drain = ResourceDrain(self.engine, self.store, meta, self.tick)
        self.drain = Drain(self.engine, self.router)
        self.queues = QueueService(self.engine, self.store, meta, self.drain.look_soon)
        self.engine.commits.listen(self.drain)
        services = (
            self.queues,
            self.resource_drain,
            Resource(self.engine, self.resource_drain),
            self.drain,
            Feasibility(self.engine),
            Update(self.engine, self.store, self.tick),
        )
        for service in services:
            self.router.add(service)
        self.queues.configure(Policy(), QUEUES, stop_on_restart=self.stop_on_restart)
        write = self.store.write

        def full(changes: Changes) -> "asyncio.Future[None]":
            if not self.full:
                return write(changes)
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError(errno.ENOSPC, "disk full"))
            return future

        self.store.write = full  # type: ignore[method-assign]

    async def status(self, name: str) -> Any:  # noqa: ANN401 - a dict, or errnum and text
        """What queue-status answers."""
        return await self.ask("job-manager.queue-status", {"name": name})


@pytest.fixture
async def bench() -> Queueing:
    """A daemon without transports that serves them."""
    made = Queueing()
    await made.boot()
    return made


async def test_requests_are_refused_in_flux_words(bench: Queueing) -> None:
    """EINVAL, and nothing changes."""
    confirm = "Use --all to apply this command to all queues"
    for topic, keys, text in (
        ("queue-enable", {"enable": False, **EVERY}, "reason is required for disable"),
        ("queue-enable", {"enable": True, "all": False}, confirm),
        ("queue-start", {"start": True, "all": False}, confirm),
        ("queue-start", {"start": True, "name": "x", **EVERY}, "'x' is not a valid queue"),
        ("queue-status", {"name": "x"}, "'x' is not a valid queue"),
        ("queue-status", {}, "a named queue is required"),
    ):
        assert await bench.ask(f"job-manager.{topic}", keys) == (errno.EINVAL, text)
    assert await bench.status("batch") == {"enable": True, "start": False}
    assert await bench.ask("job-manager.queue-list", {}) == {"queues": ["batch", "debug"]}


async def test_guests_look_and_switch_nothing(bench: Queueing) -> None:
    """The owner's role is asked for."""
    assert await bench.ask("job-manager.queue-status", {"name": "batch"}, GUEST)
    for topic, keys in (
        ("job-manager.queue-start", {"start": True, **EVERY}),
        ("job-manager.queue-enable", {"enable": True, **EVERY}),
        ("resource.drain", {"targets": "0"}),
    ):
        assert (await bench.ask(topic, keys, GUEST))[0] == errno.EPERM
    assert (await bench.status("batch"))["start"] is False


async def test_a_queue_for_some_is_for_no_others(bench: Queueing) -> None:
    """At the submit, and when a job is to be moved there."""
    some = QueueConfig(policy=Policy(users=frozenset({OWNER.userid})))
    bench.queues.configure(Policy(), QUEUES | {"staff": some}, stop_on_restart=False)
    spec = from_command(["true"], queue="staff")
    set_attribute(spec, "system.exec.test.run_duration", "1s")
    assert await bench.ask("job-ingest.submit", {"jobspec": spec}, GUEST) == (
        errno.EINVAL,
        f"user {GUEST.userid} is not allowed to submit jobs to queue staff",
    )
    assert "id" in await bench.ask("job-ingest.submit", {"jobspec": spec})
    id = await bench.submit(queue="batch")
    update = {"id": id, "updates": {"attributes.system.queue": "staff"}}
    assert await bench.ask("job-manager.update", update) == (
        errno.EINVAL,
        f"user {USERID} is not allowed to submit jobs to queue staff",
    )


async def test_a_switch_that_cannot_be_kept_is_taken_back(bench: Queueing) -> None:
    """The caller is told why."""
    await bench.ask("job-manager.queue-start", {"start": True, "name": "batch", "all": False})
    bench.full = True
    stop = {"start": False, "reason": "noon", **EVERY}
    assert await bench.ask("job-manager.queue-start", stop) == (errno.ENOSPC, "disk full")
    assert await bench.status("batch") == {"enable": True, "start": True}
    bench.full = False
    id = await bench.submit(queue="batch")
    await bench.until(lambda: id in bench.executor.attempts)


async def test_a_drain_that_cannot_be_kept_does_not_hold(bench: Queueing) -> None:
    """Nor does it after a restart."""
    bench.full = True
    drain = {"targets": "0", "reason": "fan"}
    assert await bench.ask("resource.drain", drain) == (errno.ENOSPC, "disk full")
    bench.full = False
    assert (await bench.ask("resource.status", {}))["drain"] == {}
    assert await bench.ask("resource.drain", drain) == {}
    await bench.boot()
    (info,) = (await bench.ask("resource.status", {}))["drain"].values()
    assert info["reason"] == "fan"
    down = (await bench.ask("resource.sched-status", {}))["down"]["execution"]
    assert down["R_lite"] == [{"rank": "0", "children": {"core": "0-3"}}]


async def test_nodes_that_failed_keep_the_first_reason(bench: Queueing) -> None:
    """For who drains them by itself; ranks that are none are passed over."""
    for reason in ("epilog failed", "prolog failed"):
        await bench.resource_drain.drain_ranks([0, 7], reason)
    assert [drain.reason for drain in bench.resource_drain.drained.values()] == ["epilog failed"]


async def test_queues_may_be_stopped_by_a_restart(bench: Queueing) -> None:
    """If that is configured; what was asked of them is kept for the next."""
    await bench.ask("job-manager.queue-start", {"start": True, **EVERY})
    bench.stop_on_restart = True
    await bench.boot()
    assert (await bench.status("debug"))["stop_reason"] == ON_RESTART
    bench.stop_on_restart = False
    await bench.boot()
    assert (await bench.status("debug"))["start"] is True


async def test_who_went_away_does_not_wait_any_more(bench: Queueing) -> None:
    """Nobody is answered, and the others are."""
    gone, here = Peer(), Peer()
    await bench.ask("job-manager.queue-start", {"start": True, **EVERY})
    id = await bench.started(queue="batch")
    for peer in (gone, here):
        bench.send(peer, "job-manager.drain", {})
    bench.router.disconnect(gone)
    bench.executor.finish(id)
    await bench.until(lambda: here.received)
    await bench.settle()
    assert gone.received == []


async def test_one_queue_can_be_waited_for(bench: Queueing) -> None:
    """Its virtual queues are a part of it, and cannot be waited for by themselves (RFC 33)."""
    configs = QUEUES | {"short": QueueConfig(parent="debug")}
    bench.queues.configure(Policy(), configs, stop_on_restart=False)
    await bench.ask("job-manager.queue-start", {"start": True, **EVERY})
    await bench.started(queue="batch")
    short, last = [await bench.started(queue=name) for name in ("short", "debug")]
    peer = Peer()
    drain, idle = [
        bench.send(peer, topic, {"name": "debug"})
        for topic in ("job-manager.drain", "job-manager.idle")
    ]
    await bench.ask("job-manager.queue-start", {"start": False, "name": "debug", "all": False})
    pending = await bench.submit(queue="debug")
    bench.executor.finish(last)
    await bench.settle()
    assert peer.received == []
    bench.executor.finish(short)
    await bench.until(lambda: peer.values(idle))
    assert peer.values(idle) == [{"pending": 1}]
    assert peer.values(drain) == []
    bench.engine.raise_exception(bench.engine.jobs[pending], "cancel", 0, "")
    await bench.until(lambda: peer.values(drain))
    for name, text in (
        ("x", "'x' is not a valid queue"),
        ("short", "queue short is virtual: wait for debug, its parent"),
    ):
        assert await bench.ask("job-manager.drain", {"name": name}) == (errno.EINVAL, text)


async def test_who_waits_for_an_idle_queue_is_answered_when_it_is_stopped(bench: Queueing) -> None:
    """With the jobs that wait in it."""
    bench.engine.allocator.scheduler.drain({0})
    await bench.ask("job-manager.queue-start", {"start": True, **EVERY})
    await bench.submit(queue="batch")
    peer = Peer()
    idle = bench.send(peer, "job-manager.idle", {})
    await bench.settle()
    assert peer.received == []
    await bench.ask("job-manager.queue-start", {"start": False, **EVERY})
    await bench.until(lambda: peer.received)
    assert peer.values(idle) == [{"pending": 1}]


async def test_feasibility_is_told_without_a_job(bench: Queueing) -> None:
    """EOVERFLOW if it could never run, EINVAL if it is no jobspec."""
    assert await bench.ask("feasibility.check", {"jobspec": from_command(["true"])}) == {}
    large = from_command(["true"], num_tasks=5)
    errnum, text = await bench.ask("feasibility.check", {"jobspec": large})
    assert (errnum, text[:21]) == (errno.EOVERFLOW, "unsatisfiable request")
    assert await bench.ask("feasibility.check", {"jobspec": {"version": 1}}) == (
        errno.EINVAL,
        "jobspec: missing resources",
    )
    assert not bench.engine.jobs


async def test_how_many_wait_and_run_can_be_asked(bench: Queueing) -> None:
    """As flux queue status -v does."""
    await bench.ask("job-manager.queue-start", {"start": True, **EVERY})
    await bench.started(queue="batch", num_tasks=4)
    await bench.submit(queue="batch")
    await bench.settle()
    assert await bench.ask("job-manager.alloc-query", {}) == {
        "queue_length": 1,
        "alloc_pending": 0,
        "running": 1,
    }
