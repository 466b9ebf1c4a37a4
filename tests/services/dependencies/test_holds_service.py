"""A job is kept while one that depends on it is active."""

import errno

from jobmgrd.jobs.dependencies import After
from jobmgrd.jobs.job import Job
from jobmgrd.store.port import Changes, StoreError
from protocol import jobid
from protocol.jobspec import parse
from tests.services.bench import Bench
from tests.services.dependencies.dependents import HOLD
from tests.services.submitting import (
    cancel,
    end,
    request,
    submit,
)
from tests.store.sample import ended


async def rule(bench: Bench, id: int) -> tuple[str, str]:
    """The rule that keeps an inactive job, and the words for it."""
    reply = await bench.ask("job-manager.retention", {"id": id})
    return reply["rule"], reply["why"]


def held(bench: Bench) -> int:
    """How many jobs are held; the others count for the limits."""
    return bench.store.stats().held


async def test_a_job_is_held_while_a_job_that_depends_on_it_is_active(bench: Bench) -> None:
    """From its end on, beyond the time when the dependency was met; the two retention says why."""
    target = await submit(bench)
    id = await submit(bench, f"afterok:{target}")
    await end(bench, target)
    assert held(bench) == 1
    assert await rule(bench, target) == (
        "held",
        f"held: the active job {jobid.encode(id)} depends on it",
    )
    await end(bench, id)
    assert held(bench) == 0
    assert (await rule(bench, target))[0] == "default"


async def test_a_job_that_ended_before_is_held_from_the_submit_on(bench: Bench) -> None:
    """Until the last of those that depend on it has ended."""
    target = await submit(bench)
    await end(bench, target)
    ids = [await submit(bench, f"afterok:{target}") for _ in range(4)]
    assert held(bench) == 1
    why = (await rule(bench, target))[1]
    named = ", ".join(map(jobid.encode, ids[:3]))
    assert why == f"held: 4 active jobs depend on it: {named}, ..."
    for id in ids[:3]:
        await end(bench, id)
    assert held(bench) == 1
    await end(bench, ids[3])
    assert held(bench) == 0


async def test_a_hold_begins_and_ends_in_the_write_of_the_dependent(bench: Bench) -> None:
    """So that no crash leaves a job held for ever: there is no step in between."""
    target = await submit(bench)
    await end(bench, target)
    seen: list[tuple[list[int], dict[int, int]]] = []
    write = bench.store._write

    def spy(changes: Changes) -> None:
        seen.append(([row.id for row in changes.ended], dict(changes.rules)))
        write(changes)

    bench.store._write = spy  # type: ignore[method-assign]
    id = await submit(bench, f"afterok:{target}")
    await end(bench, id)
    assert [change for change in seen if change[1]] == [([], {target: -1}), ([id], {target: 0})]


async def test_a_hold_goes_on_after_a_restart(bench: Bench) -> None:
    """For dependencies that were met before it, too."""
    target = await submit(bench)
    await end(bench, target)
    id = await submit(bench, f"afterok:{target}", urgency=HOLD)
    await bench.settle()
    await bench.boot()
    bench.router.add(bench.retention)
    assert (await rule(bench, target))[0] == "held"
    await cancel(bench, id)
    assert held(bench) == 0


async def test_a_hold_for_a_job_that_could_not_be_kept_ends_with_a_heartbeat(bench: Bench) -> None:
    """The write of another dependent's end had counted on it, and so released nothing."""
    target = await submit(bench)
    await end(bench, target)
    id = await submit(bench, f"afterok:{target}")
    body = request(f"afterok:{target}")["jobspec"]
    lost = Job(id + 1, parse(body), b"")
    bench.holds.dependents.add(lost.id, After("afterok", str(target), target))
    await end(bench, id)
    assert held(bench) == 1
    bench.dependencies.gone(lost)
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 1
    bench.store.fault = None
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 0


async def test_a_hold_that_a_crash_left_behind_ends_with_the_start(bench: Bench) -> None:
    """The same, and the crash came before the heartbeat; pins and other holds stay."""
    target, kept, pinned = [await submit(bench) for _ in range(3)]
    for job in (target, kept, pinned):
        await end(bench, job)
    id = await submit(bench, f"afterok:{target}")
    other = await submit(bench, f"afterok:{kept}", urgency=HOLD)
    await bench.ask("job-manager.pin", {"id": pinned, "reason": "evidence"})
    lost = Job(other + 1, parse(request(f"afterok:{target}")["jobspec"]), b"")
    bench.holds.dependents.add(lost.id, After("afterok", str(target), target))
    await end(bench, id)
    assert held(bench) == 3
    await bench.boot()
    bench.router.add(bench.retention)
    assert held(bench) == 2
    rules = [(await rule(bench, job))[0] for job in (target, kept, pinned)]
    assert rules == ["default", "held", "pinned"]


async def test_a_hold_that_cannot_be_released_at_the_start_ends_with_a_heartbeat(
    bench: Bench,
) -> None:
    """A full disk does not keep the daemon from starting."""
    await bench.store.write(Changes(ended=[ended(5, rule=-1)]))
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    await bench.boot()
    assert held(bench) == 1
    bench.store.fault = None
    bench.holds.on_heartbeat()
    await bench.settle()
    assert held(bench) == 0


async def test_a_pin_and_a_hold_do_not_undo_each_other(bench: Bench) -> None:
    """The job is kept until both have ended, in any order."""
    for pin_first in (True, False):
        target = await submit(bench)
        await end(bench, target)
        id = await submit(bench, f"afterok:{target}")
        await bench.ask("job-manager.pin", {"id": target, "reason": "evidence"})
        if pin_first:
            await bench.ask("job-manager.unpin", {"id": target})
            assert held(bench) == 1
            await end(bench, id)
        else:
            await end(bench, id)
            assert held(bench) == 1
            await bench.ask("job-manager.unpin", {"id": target})
        assert held(bench) == 0
