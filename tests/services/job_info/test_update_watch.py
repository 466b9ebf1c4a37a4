"""job-info.update-lookup and update-watch (RFC 41): R and jobspec as they are changed."""

import errno
import json

from tests.services.bench import Bench, Peer
from tests.services.job_info.asking import UPDATES, lookup


async def test_R_cannot_be_watched_before_it_is_there(bench: Bench) -> None:  # noqa: N802
    """ENOENT, as flux-core; the stream leaves nothing behind."""
    ids = [await bench.submit() for _ in range(5)]
    peer = Peer()
    matchtag = bench.send(peer, UPDATES, {"id": ids[-1], "key": "R"}, stream=True)
    assert peer.end(matchtag) == (errno.ENOENT, "R: key not found")
    assert not bench.router.streams


async def test_updates_are_applied_on_request(bench: Bench) -> None:
    """RFC 21 jobspec-update and resource-update; the originals stay as they were."""
    id = await bench.started(duration=60.0)
    job = bench.engine.jobs[id]
    bench.engine.post(job, "jobspec-update", {"attributes.system.duration": 120.0, "version.x": 1})
    bench.engine.post(job, "resource-update", {"expiration": 5000, "nodelist": "no"})
    await bench.settle()
    for ends in (False, True):
        if ends:
            bench.executor.finish(id)
        await bench.settle()
        was = await lookup(bench, id, "jobspec", "R", flags=1)
        now = await lookup(bench, id, "jobspec", "R", flags=3)
        assert was["jobspec"]["attributes"]["system"]["duration"] == 60.0
        assert now["jobspec"]["attributes"]["system"]["duration"] == 120.0
        assert now["jobspec"]["version"] == 1  # a path through a number leads nowhere
        assert was["R"]["execution"]["expiration"] != 5000
        assert now["R"]["execution"] == was["R"]["execution"] | {"expiration": 5000}
        text = await lookup(bench, id, "R", flags=2)
        assert json.loads(text["R"]) == now["R"]
        older = await bench.ask("job-info.update-lookup", {"id": id, "key": "R", "flags": 0})
        assert older == {"id": id, "R": now["R"]}


async def test_an_update_watch_sends_every_version(bench: Bench) -> None:
    """Only versions that differ, to all who watch; it ends with the job."""
    id = await bench.started(duration=60.0)
    peer = Peer()
    spec = bench.send(peer, UPDATES, {"id": id, "key": "jobspec"}, stream=True)
    R = bench.send(peer, UPDATES, {"id": id, "key": "R"}, stream=True)
    job = bench.engine.jobs[id]
    bench.engine.post(job, "memo", {"name": "jobspec-update"})
    for duration in (70.0, 80.0):
        bench.engine.post(job, "jobspec-update", {"attributes.system.duration": duration})
        await bench.settle()
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(spec))
    durations = [
        value["jobspec"]["attributes"]["system"]["duration"] for value in peer.values(spec)
    ]
    assert durations == [60.0, 70.0, 80.0]
    assert len(peer.values(R)) == 1
    assert peer.end(spec) == peer.end(R) == (errno.ENODATA, "")
    late = bench.send(peer, UPDATES, {"id": id, "key": "jobspec"}, stream=True)
    await bench.until(lambda: peer.end(late))
    assert peer.values(late) == peer.values(spec)[-1:]
