"""The plugins that are shipped, and the one that the documentation shows."""

import errno
import re
from pathlib import Path

import pytest

from jobmgrd.plugins.guard import Source
from jobmgrd.store.port import StoreError
from protocol.job import State
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, Bench, Peer
from tests.services.plugins.noting import HOLD_URGENCY, load
from tests.services.submitting import cancel, end, refused, request, start, state, submit

DOCS = Path(__file__).parents[3] / "docs"


async def test_user_limits_bound_what_is_active(bench: Bench) -> None:
    """Of each user alone; also when submits are under way at once, and one can be lost."""
    load(bench, Source("user-limits", {"max-active": 3, "users": {"99": {"max-active": 1}}}))
    first = await submit(bench)
    await submit(bench, cred=GUEST)
    assert await refused(bench, cred=GUEST) == "user has max number of active jobs: 1"
    bench.store.fault = StoreError(errno.ENOSPC, "no space left")
    assert (await bench.ask("job-ingest.submit", request()))[0] == errno.ENOSPC
    bench.store.fault = None
    peer = Peer()
    for dependency in ([], ["begin-time:1"], []):
        bench.send(peer, "job-ingest.submit", request(*dependency))
    await bench.until(lambda: len(peer.received) == 3)
    assert sorted(response.errnum for response in peer.received) == [0, 0, errno.EINVAL]
    await end(bench, first)
    await submit(bench)


async def test_user_limits_bound_what_runs(bench: Bench) -> None:
    """The others wait in DEPEND, and go in the order of their submits, over a restart, too."""
    limits = Source("user-limits", {"max-running": 1})
    bench.sources = [limits]
    await bench.boot()
    one, two, three = [await submit(bench, urgency=HOLD_URGENCY) for _ in range(3)]
    guest = await submit(bench, cred=GUEST)
    await bench.settle()
    assert list(bench.engine.jobs[two].dependencies) == ["max-running-jobs-user-limit"]
    assert state(bench, guest) is State.RUN
    await bench.boot()
    await bench.settle()
    assert state(bench, two) is State.DEPEND
    await cancel(bench, one)
    assert state(bench, two) is State.SCHED
    assert state(bench, three) is State.DEPEND
    load(bench, Source(limits.load, {"max-running": 2}))
    await bench.settle()
    assert state(bench, three) is State.SCHED


async def test_a_job_takes_no_place_while_it_waits_for_something_else(bench: Bench) -> None:
    """A user's later jobs run meanwhile."""
    load(bench, Source("user-limits", {"max-running": 1}))
    target = await submit(bench, urgency=HOLD_URGENCY)
    await cancel(bench, await submit(bench, f"afterok:{target}"))
    await cancel(bench, target)
    timed = await submit(bench, f"begin-time:{bench.tick() + 1000}")
    id = await submit(bench)
    await bench.settle()
    assert state(bench, timed) is State.DEPEND
    assert state(bench, id) is State.RUN


async def test_priority_by_user_puts_larger_shares_first(bench: Bench) -> None:
    """A user's share goes before the bank's; a share of 0 holds; urgency decides among equals."""
    conf = {"users": {"99": 50, "98": 0}, "banks": {"physics": 20}, "default": 3}
    load(bench, Source("priority-by-user", conf))
    running = await submit(bench)
    await start(bench, running)
    body = request(urgency=17)
    body["jobspec"]["attributes"]["system"]["bank"] = "physics"
    ids = [
        await submit(bench),
        (await bench.ask("job-ingest.submit", body))["id"],
        await submit(bench, cred=GUEST),
        await submit(bench, cred=Cred(98, ROLE_USER)),
    ]
    await bench.settle()
    assert [bench.engine.jobs[id].priority for id in ids] == [316, 2017, 5016, 0]
    load(bench)
    assert [bench.engine.jobs[id].priority for id in ids] == [16, 17, 16, 16]


async def test_the_example_of_the_documentation_does_what_it_says(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/plugins.md: two licenses, three jobs, and a restart."""
    code = re.search(
        r"^```python\n(.*?)^```$", (DOCS / "plugins.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert code
    (tmp_path / "licenses.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    bench.sources = [Source("licenses:Licenses", {"matlab": 2})]
    await bench.boot()
    one, two, three, four = [
        await submit(bench, "license:matlab", urgency=HOLD_URGENCY) for _ in range(4)
    ]
    await bench.settle()
    assert state(bench, two) is State.SCHED
    assert state(bench, three) is State.DEPEND
    assert await refused(bench, "license:maple") == "there is no license 'maple'"
    await cancel(bench, three)
    await bench.boot()
    await bench.settle()
    assert state(bench, one) is State.SCHED
    assert state(bench, four) is State.DEPEND
    await cancel(bench, two)
    assert state(bench, four) is State.SCHED
    assert bench.plugins.stats()[0].errors == 0
