"""Dependencies on jobs that have ended, were purged, or are not there."""

import errno

from msgspec.structs import replace

from jobmgrd.store.port import StoreError
from protocol.job import State
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, OWNER, Bench, Peer
from tests.services.dependencies.dependents import HOLD, SCHEMES
from tests.services.submitting import (
    cancel,
    events,
    refused,
    request,
    state,
    submit,
)


async def test_a_dependency_on_an_inactive_job_is_met_at_once_or_refused(bench: Bench) -> None:
    """Its record tells."""
    good, bad = await bench.ended(), await bench.ended(status=256)
    user = Cred(7, ROLE_USER)
    id = await submit(bench, f"afterok:{good}", f"afternotok:{bad}", cred=user)
    await bench.settle()
    assert state(bench, id) is State.RUN
    names = [name for name, _ in await events(bench, id)]
    assert names[:6] == ["submit", *["dependency-add"] * 2, "validate", *["dependency-remove"] * 2]
    assert await refused(bench, f"afterok:{bad}", cred=user) == (
        f"dependency: afterok: job {bad} failed or was canceled"
    )
    assert await refused(bench, f"afterexcept:{bad}", cred=user) == (
        f"dependency: afterexcept: job {bad} ended without an exception"
    )


async def ends(bench: Bench) -> dict[str, int]:
    """Jobs of all ends that a dependency tells apart."""
    found = {
        "completed": await bench.ended(),
        "failed": await bench.ended(status=256),
        "hurt": await bench.started(),
        "canceled": await bench.started(),
        "barred": await bench.submit(),
        "idle": await bench.submit(urgency=HOLD),
    }
    await bench.until(lambda: found["barred"] in bench.executor.attempts)
    bench.engine.raise_exception(bench.engine.jobs[found["hurt"]], "exec", 0, "")
    for name in ("hurt", "canceled", "barred", "idle"):
        if found[name] in bench.engine.jobs:
            await cancel(bench, found[name])
    return found


async def answered(bench: Bench, dependency: str, cred: Cred = OWNER) -> str:
    """Why a job with this dependency is refused; "" if it runs, which this ends."""
    reply = await bench.ask("job-ingest.submit", request(dependency), cred)
    if isinstance(reply, tuple):
        return str(reply[1])
    await bench.settle()
    assert state(bench, reply["id"]) is State.RUN
    await cancel(bench, reply["id"])
    return ""


async def test_a_purged_job_meets_what_it_met_before(bench: Bench) -> None:
    """Its tombstone decides, with the same words; flux-core does not find it."""
    found = await ends(bench)
    asked = [(scheme, id) for scheme in SCHEMES for id in found.values()]
    user = Cred(7, ROLE_USER)
    before = [await answered(bench, f"{scheme}:{id}", user) for scheme, id in asked]
    await bench.purge(*found.values())
    after = [await answered(bench, f"{scheme}:{id}", user) for scheme, id in asked]
    assert [text.partition(" (it was purged at ")[0] for text in after] == before
    met = {pair for pair, text in zip(asked, before, strict=True) if not text}
    by_scheme = {s: [name for name, id in found.items() if (s, id) in met] for s in SCHEMES}
    assert by_scheme == {
        "afterstart": ["completed", "failed", "hurt", "canceled"],
        "afterany": list(found),
        "afterok": ["completed"],
        "afternotok": ["failed", "hurt", "canceled", "barred"],
        "afterexcept": ["hurt", "canceled", "barred"],
    }


async def test_nobody_depends_on_the_purged_job_of_another(bench: Bench) -> None:
    """As on one that is kept."""
    id = await bench.ended()
    await bench.purge(id)
    assert await refused(bench, f"afterany:{id}", cred=GUEST) == (
        f"afterany: Permission denied for job {id}"
    )


async def test_of_a_job_purged_by_an_old_version_the_result_decides(bench: Bench) -> None:
    """Whose it was, and whether it started, is not known any more."""
    good = await bench.ended()
    gone = await bench.started()
    await cancel(bench, gone)
    await bench.until(lambda: gone not in bench.engine.jobs)
    await bench.purge(good, gone)
    kept = bench.store._tombstones  # as a store of that version has them
    kept |= {id: replace(kept[id], userid=None, fate=None) for id in (good, gone)}
    assert not await answered(bench, f"afterok:{good}", GUEST)
    text = await refused(bench, f"afterstart:{gone}")
    assert f"job {gone} was canceled and purged: whether it ever started is not known" in text


async def test_an_id_that_was_never_seen_is_refused(bench: Bench) -> None:
    """Among them the job's own, and those of jobs to come, however well predicted."""
    last = await submit(bench)
    for id in (1234, last + 1, last + 2, 2**64 - 1):
        text = f"dependency: afterok: id {id}: job not found"
        assert await refused(bench, f"afterok:{id}") == text
    assert await submit(bench) > last


async def test_a_job_that_is_not_durable_yet_is_unknown(bench: Bench) -> None:
    """Nobody was told its id, and it may never come to be."""
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    peer = Peer()
    bench.send(peer, "job-ingest.submit", request())
    (id,) = bench.engine.jobs
    assert await refused(bench, f"afterany:{id}") == (
        f"dependency: afterany: id {id}: job not found"
    )


async def test_nobody_depends_on_the_job_of_another(bench: Bench) -> None:
    """Active or not; as in flux-core not even the owner."""
    active, inactive = await submit(bench), await bench.ended()
    for id, cred in ((active, GUEST), (inactive, GUEST), (inactive, OWNER)):
        text = f"afterany: Permission denied for job {id}"
        assert await refused(bench, f"afterany:{id}", cred=cred) == text


async def test_what_is_wrong_is_refused_by_name(bench: Bench) -> None:
    """And takes nothing in."""
    assert await refused(bench, "afterok:bar") == 'dependency: afterok: "bar" is not a valid jobid'
    assert await refused(bench, "begin-time:soon") == "Invalid begin-time=soon"
    assert await refused(bench, "moon:full") == 'dependency scheme "moon" not supported'
    assert await refused(bench, "singleton:") == "singleton jobs require a job name"
    assert not bench.engine.jobs
