"""The journal of a real daemon: cursors over reconnects and restarts, purges in their place."""

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.errors import RpcError
from protocol.journal import TOPIC
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs


def until_sentinel(stream: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The responses of a stream up to the sentinel, with it."""
    replies = []
    for reply in stream:
        replies.append(reply)
        if reply["id"] == -1 and "purge" not in reply:
            break
    return replies


def test_history_is_told_whole(daemon: DaemonProcess) -> None:
    """Every job that is kept, with all its events, whatever page it is on."""
    ids = run_jobs(daemon, 300)
    with daemon.client() as client:
        *jobs, sentinel = until_sentinel(client.stream(TOPIC, {"full": True}))
    assert sorted(job["id"] for job in jobs) == sorted(ids)
    assert {job["events"][-1]["name"] for job in jobs} == {"clean"}
    assert sentinel["told"] == 300


def test_a_consumer_that_comes_back_misses_nothing(daemon: DaemonProcess) -> None:
    """On another connection, from its last cursor on, purges in their place."""
    with daemon.client() as client:
        cursor = until_sentinel(client.stream(TOPIC, {"purge": True}))[-1]["seq"]
    first, second = run_jobs(daemon, 2)
    daemon.rpc("job-manager.purge-id", {"id": first, "force": True})
    with daemon.client() as client:
        request = {"since": cursor, "purge": True}
        *news, sentinel = until_sentinel(client.stream(TOPIC, request))
    for id in (first, second):
        events = [event["name"] for reply in news if reply["id"] == id for event in reply["events"]]
        assert (events[0], events[-1]) == ("submit", "clean")
    assert [reply["purge"]["jobs"] for reply in news if "purge" in reply] == [[first]]
    assert "purge" in news[-1]
    assert news[-1]["purge"]["seq"] == 1
    numbers = [int(reply["seq"].partition(".")[2]) for reply in news]
    start = int(cursor.partition(".")[2])
    assert numbers == list(range(start + 1, start + 1 + len(news)))
    assert sentinel["seq"] == news[-1]["seq"]


def test_a_restarted_daemon_says_resync(daemon: DaemonProcess) -> None:
    """A cursor of the process that was killed is never misread."""
    run_jobs(daemon, 1)
    with daemon.client() as client:
        cursor = until_sentinel(client.stream(TOPIC, {}))[-1]["seq"]
    daemon.kill()
    daemon.start()
    run_jobs(daemon, 2)
    with daemon.client() as client:
        with pytest.raises(RpcError, match="resync") as caught:
            next(client.stream(TOPIC, {"since": cursor}))
        assert caught.value.errnum == errno.ESTALE
