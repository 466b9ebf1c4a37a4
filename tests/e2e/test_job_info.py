"""job-info of a real daemon: live and inactive jobs, purged ones, many watchers (RFC 41)."""

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobmgrd.client import Client
from protocol import signature
from protocol.errors import RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, simulated, submit, wait_for

WATCHERS = 500


def lookup(daemon: DaemonProcess, id: int, *keys: str, flags: int = 0) -> dict[str, Any]:
    """Some keys of a job."""
    return daemon.rpc("job-info.lookup", {"id": id, "keys": keys, "flags": flags})


def test_all_keys_are_there_for_as_long_as_the_job_is(shared_daemon: DaemonProcess) -> None:
    """While it runs, and unchanged once it is inactive; J is that of the sender."""
    id = submit(shared_daemon, real("sleep", "60"))[0]
    wait_for(shared_daemon, id, "start")
    running = lookup(shared_daemon, id, "J", "jobspec", "R")
    assert signature.unwrap(running["J"]) == (os.getuid(), running["jobspec"].encode())
    shared_daemon.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    events(shared_daemon, id)
    assert lookup(shared_daemon, id, "J", "jobspec", "R") == running
    R = shared_daemon.rpc("job-info.update-lookup", {"id": id, "key": "R", "flags": 0})["R"]
    assert json.loads(running["R"]) == R


def test_the_exec_eventlog_is_live(shared_daemon: DaemonProcess, tmp_path: Path) -> None:
    """shell.init comes while the job runs: flux job attach begins to show output then."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    id = submit(shared_daemon, real("cat", str(fifo)))[0]
    seen = []
    with shared_daemon.client() as client:
        request = {"id": id, "path": "guest.exec.eventlog", "flags": 0}
        for reply in client.stream("job-info.eventlog-watch", request):
            seen.append(json.loads(reply["event"]))
            if seen[-1]["name"] == "shell.init":
                fifo.write_text("")
    assert names(seen) == ["init", "starting", "shell.init", "shell.start", "complete", "done"]
    times = [event["timestamp"] for event in seen]
    assert times == sorted(times)


@pytest.mark.parametrize("topic", ["job-info.eventlog-watch", "job-info.update-watch"])
def test_streams_on_what_is_not_there_end_at_once(shared_daemon: DaemonProcess, topic: str) -> None:
    """Purged, with when and by what; never seen; also for those who would wait."""
    id = run_jobs(shared_daemon, 1)[0]
    shared_daemon.rpc("job-manager.purge-id", {"id": id, "force": True})
    keys = {"key": "R"} if topic.endswith("update-watch") else {"path": "eventlog", "flags": 1}
    with shared_daemon.client() as client:
        for job, text in ((id, "invalid job id: it was purged at "), (12345, "invalid job id")):
            with pytest.raises(RpcError, match=text) as caught:
                list(client.stream(topic, {"id": job, **keys}))
            assert caught.value.errnum == errno.ENOENT


async def test_hundreds_watch_one_job(shared_daemon: DaemonProcess) -> None:
    """Everybody is sent everything, in order, and an end."""
    async with asyncio.timeout(30), Client(shared_daemon.uri) as client:
        reply = await client.rpc("job-ingest.submit", {"jobspec": simulated(None)})
        id = reply["id"]

        async def watch() -> list[str]:
            request = {"id": id, "path": "eventlog"}
            return [e["event"] async for e in client.stream("job-info.eventlog-watch", request)]

        watchers = [asyncio.create_task(watch()) for _ in range(WATCHERS)]
        await asyncio.sleep(0)
        await client.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
        logs = await asyncio.gather(*watchers)
    assert names([json.loads(line) for line in logs[0]])[-1] == "clean"
    assert logs.count(logs[0]) == WATCHERS
