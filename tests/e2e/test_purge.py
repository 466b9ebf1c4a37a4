"""Purging, by request and by heartbeat, end to end."""

import errno

import pytest

from protocol.errors import RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs


@pytest.fixture
def history(daemon: DaemonProcess) -> list[int]:
    """The ids of ten inactive jobs, in the order of their end."""
    return run_jobs(daemon, 10)


def purge(daemon: DaemonProcess, **keys: object) -> dict[str, object]:
    """One purge request."""
    return daemon.rpc("job-manager.purge", keys)


def inactive(daemon: DaemonProcess) -> int:
    """The number of inactive jobs."""
    count = daemon.rpc("job-manager.stats-get")["inactive_jobs"]
    assert isinstance(count, int)
    return count


def test_without_force_nothing_changes(daemon: DaemonProcess, history: list[int]) -> None:
    """Design 6.5: the reply counts what would go."""
    assert purge(daemon, num_limit=3) == {"count": len(history) - 3}
    assert purge(daemon, age_limit=0, batch=2) == {"count": len(history)}
    assert purge(daemon) == {"count": 0}
    assert inactive(daemon) == len(history)


def test_the_oldest_go_first_in_batches(daemon: DaemonProcess, history: list[int]) -> None:
    """Design 6.1 and 6.2: repeat until count < batch."""
    with daemon.client() as client, client.subscribe("job-purge-inactive") as events:
        counts: list[int] = []
        while not counts or counts[-1] == 3:
            reply = client.rpc("job-manager.purge", {"num_limit": 2, "batch": 3, "force": True})
            counts.append(reply["count"])
        assert counts == [3, 3, 2]
        announced = [next(events) for _ in range(3)]
    assert [event.payload["seq"] for event in announced] == [1, 2, 3]
    assert [id for event in announced for id in event.payload["jobs"]] == history[:8]
    assert {event.payload["reason"] for event in announced} == {"purge"}
    assert inactive(daemon) == 2


@pytest.mark.parametrize(
    ("keys", "errnum", "text"),
    [
        ({"batch": 0}, errno.EINVAL, "batch must be >= 1 and <= 100"),
        ({"batch": 101}, errno.EINVAL, "batch must be >= 1 and <= 100"),
        ({"num_limit": -42}, errno.EINVAL, "if set, num limit must be >= 0"),
        ({"age_limit": -0.5}, errno.EINVAL, "if set, age limit must be >= 0"),
        ({"age_limit": "notfsd"}, errno.EPROTO, "age_limit"),
        ({"force": "yes"}, errno.EPROTO, "force"),
    ],
)
def test_bad_limits_are_refused(
    shared_daemon: DaemonProcess, keys: dict[str, object], errnum: int, text: str
) -> None:
    """purge.c's texts; EPROTO names the key."""
    with pytest.raises(RpcError, match=text) as caught:
        purge(shared_daemon, **keys)
    assert caught.value.errnum == errnum


def test_purge_id_takes_one_or_several(daemon: DaemonProcess, history: list[int]) -> None:
    """Without force only the number is answered."""
    assert daemon.rpc("job-manager.purge-id", {"id": history[4]}) == {"count": 1}
    assert inactive(daemon) == 10
    reply = daemon.rpc("job-manager.purge-id", {"id": history[4], "force": 1})
    assert reply == {"count": 1, "seq": 1}
    reply = daemon.rpc("job-manager.purge-id", {"ids": history[:2], "force": True})
    assert reply == {"count": 2, "seq": 2}
    assert inactive(daemon) == 7


def test_a_second_purge_of_an_id_says_when_and_why_it_went(
    daemon: DaemonProcess, history: list[int]
) -> None:
    """Purged is not unknown."""
    daemon.rpc("job-manager.purge-id", {"id": history[0], "force": True})
    with pytest.raises(RpcError, match=r"^id not found: it was purged at \d{4}-.* by purge-id"):
        daemon.rpc("job-manager.purge-id", {"id": history[0], "force": True})


def test_purge_id_of_an_active_or_unknown_job_is_refused(daemon: DaemonProcess) -> None:
    """purge.c's texts."""
    active = run_jobs(daemon, 1, duration=None)[0]
    with pytest.raises(RpcError, match=r"^cannot purge active job$") as caught:
        daemon.rpc("job-manager.purge-id", {"id": active, "force": True})
    assert caught.value.errnum == errno.EINVAL
    with pytest.raises(RpcError, match=r"^id not found$") as caught:
        daemon.rpc("job-manager.purge-id", {"id": 123456, "force": True})
    assert caught.value.errnum == errno.ENOENT


def test_several_ids_go_together_or_not_at_all(daemon: DaemonProcess, history: list[int]) -> None:
    """One wrong id, and nothing is purged."""
    with pytest.raises(RpcError, match="id not found"):
        daemon.rpc("job-manager.purge-id", {"ids": [*history, 99], "force": True})
    assert inactive(daemon) == len(history)


def test_the_heartbeat_purges_to_the_limit(stopped_daemon: DaemonProcess) -> None:
    """Design 6.2: a pulse starts a run by the configured limits."""
    daemon = stopped_daemon
    daemon.configure('[heartbeat]\nperiod = "50ms"\n')
    daemon.start()
    history = run_jobs(daemon, 250)
    with daemon.client() as client, client.subscribe("") as events:
        daemon.configure('[heartbeat]\nperiod = "50ms"\n[job-manager]\ninactive-num-limit = 30\n')
        client.rpc("config.reload")
        gone: list[int] = []
        for event in events:
            if event.topic == "job-purge-inactive":
                assert event.payload["reason"] == "limit"
                assert len(event.payload["jobs"]) <= 100
                gone += event.payload["jobs"]
            if len(gone) >= 220:
                break
    assert gone == history[:220]
    assert inactive(daemon) == 30


def test_pulses_are_published(stopped_daemon: DaemonProcess) -> None:
    """heartbeat.pulse, one a period, numbered without a gap."""
    stopped_daemon.configure('[heartbeat]\nperiod = "20ms"\n')
    stopped_daemon.start()
    with stopped_daemon.client() as client, client.subscribe("heartbeat.pulse") as events:
        first, second = next(events), next(events)
    assert second.sequence == first.sequence + 1
    assert first.payload == {}


def test_removing_the_newest_id_keeps_max_jobid(daemon: DaemonProcess, history: list[int]) -> None:
    """Design 6.6: ids stay unique over a crash."""
    newest = max(history)
    daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    daemon.kill()
    daemon.start()
    assert daemon.rpc("job-manager.getinfo") == {"max_jobid": newest}
    assert run_jobs(daemon, 1)[0] > newest
