"""job-list with a real daemon: order, constraints, streams, list-id, job-stats (RFC 43)."""

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import zmq
from msgspec.structs import replace

from jobmgrd.client import RpcTimeoutError
from jobmgrd.store.port import Changes
from jobmgrd.store.sqlite import SqliteStore
from protocol.errors import RpcError
from protocol.job import Result, State
from protocol.jobspec import set_attribute
from protocol.message import FLAG_STREAMING, Request, Response, decode
from protocol.payload import encode
from tests.conftest import DaemonProcess
from tests.e2e.jobs import QUEUES, events, run_jobs, simulated, start_queues, submit, wait_for
from tests.store.sample import ended

ONE_CORE = "[resource]\ncores = 1\n"


def queued(duration: str | None, queue: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """The jobspec of a simulated job in a queue."""
    jobspec = simulated(duration, **options)
    set_attribute(jobspec, "system.queue", queue)
    return jobspec


def ids(daemon: DaemonProcess, **keys: object) -> list[int]:
    """The ids that job-list.list answers."""
    request = {"max_entries": 0, "attrs": []} | keys
    return [job["id"] for job in daemon.rpc("job-list.list", request)["jobs"]]


def stream(daemon: DaemonProcess, **keys: object) -> list[dict[str, Any]]:
    """The pages of a streaming job-list.list."""
    with daemon.client() as client:
        return list(client.stream("job-list.list", {"max_entries": 0, "attrs": []} | keys))


@pytest.fixture(scope="module")
def history(shared_daemon: DaemonProcess) -> list[int]:
    """Jobs that ended, in this order."""
    return run_jobs(shared_daemon, 5)


@pytest.fixture
def one_core(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon that runs one job at a time."""
    stopped_daemon.configure(ONE_CORE + QUEUES)
    stopped_daemon.start()
    start_queues(stopped_daemon)
    return stopped_daemon


def test_pending_then_running_then_inactive(one_core: DaemonProcess) -> None:
    """Pending ones by priority, then by id; inactive ones by end; max_entries counts them all."""
    first = run_jobs(one_core, 2)
    (running,) = submit(one_core, simulated(None))
    wait_for(one_core, running, "start")
    low, high, low_too = submit(one_core, *[simulated("1ms")] * 3)
    one_core.rpc("job-manager.urgency", {"id": high, "urgency": 20})
    expected = [high, low, low_too, running, first[1], first[0]]
    assert ids(one_core) == expected
    assert ids(one_core, max_entries=5) == expected[:5]
    assert ids(one_core, max_entries=2) == expected[:2]
    assert [job["id"] for page in stream(one_core, max_entries=5) for job in page["jobs"]] == (
        expected[:5]
    )


def test_constraints_choose_active_and_inactive_jobs(one_core: DaemonProcess) -> None:
    """The same words for both."""
    done, failed = submit(one_core, queued("1ms", "batch"), real_failure())
    for id in (done, failed):
        events(one_core, id)
    running, pending = submit(one_core, queued(None, "batch"), queued("1ms", "debug"))
    wait_for(one_core, running, "start")
    t_inactive = one_core.rpc("job-list.list-id", {"id": done, "attrs": ["t_inactive"]})
    after = {"t_inactive": [f">{t_inactive['job']['t_inactive']!r}"]}
    for constraint, expected in (
        ({"queue": ["batch"]}, [running, done]),
        ({"not": [{"queue": ["batch"]}]}, [pending, failed]),
        ({"states": ["running"]}, [running]),
        ({"states": ["pending", "inactive"]}, [pending, failed, done]),
        ({"results": ["failed"]}, [failed]),
        ({"ranks": ["0"]}, [running, failed, done]),
        ({"hostlist": ["no-such-host"]}, []),
        (after, [failed]),
        ({"not": [after]}, [pending, running, done]),
        ({"and": [{"userid": [-1]}, {"name": ["false"]}]}, [failed]),
        ({}, [pending, running, failed, done]),
    ):
        assert ids(one_core, constraint=constraint) == expected, constraint


def real_failure() -> dict[str, Any]:
    """A simulated job that fails, by another name."""
    jobspec = simulated("1ms")
    set_attribute(jobspec, "system.job.name", "false")
    set_attribute(jobspec, "system.exec.test.mock_exception", "run")
    return jobspec


def test_since_leaves_out_jobs_that_ended_before(
    shared_daemon: DaemonProcess, history: list[int]
) -> None:
    """Strictly after."""
    request = {"id": history[2], "attrs": ["t_inactive"]}
    t = shared_daemon.rpc("job-list.list-id", request)["job"]["t_inactive"]
    assert ids(shared_daemon, since=t) == history[:2:-1]


def test_keys_of_the_older_protocol_count_without_a_constraint(
    shared_daemon: DaemonProcess, history: list[int]
) -> None:
    """`states` and `results` are bits, 0 is any."""
    assert ids(shared_daemon, states=int(State.ACTIVE)) == []
    assert ids(shared_daemon, results=int(Result.COMPLETED)) == history[::-1]
    assert ids(shared_daemon, states=0, results=0, userid=-1) == history[::-1]
    assert ids(shared_daemon, name="nothing") == []
    assert ids(shared_daemon, states=int(State.ACTIVE), constraint={}) == history[::-1]


def test_attributes_are_those_that_were_asked_for(
    shared_daemon: DaemonProcess, history: list[int]
) -> None:
    """The id always; `all` of them; list-attrs names them."""
    known = shared_daemon.rpc("job-list.list-attrs")["attrs"]
    assert "all" in known
    request = {"max_entries": 1, "attrs": ["state", "queue", "success"]}
    (job,) = shared_daemon.rpc("job-list.list", request)["jobs"]
    assert job == {"id": history[-1], "state": State.INACTIVE, "success": True}
    (job,) = shared_daemon.rpc("job-list.list", {"max_entries": 1, "attrs": ["all"]})["jobs"]
    assert job.keys() <= set(known)
    assert {"t_sched", "ranks", "nodelist", "waitstatus", "ntasks"} <= job.keys()


@pytest.mark.parametrize(
    ("keys", "errnum", "text"),
    [
        ({"attrs": ["foo"]}, errno.EINVAL, "foo is not a valid attribute"),
        ({"attrs": ["all", "foo"]}, errno.EINVAL, "foo is not a valid attribute"),
        ({"attrs": 1}, errno.EPROTO, "attrs"),
        ({"max_entries": -1}, errno.EPROTO, "invalid payload: max_entries < 0 not allowed"),
        ({"since": -1}, errno.EPROTO, "invalid payload: since < 0.0 not allowed"),
        (
            {"constraint": {"or": [{"foo": []}]}},
            errno.EPROTO,
            "constraint object invalid: unknown constraint operator: foo (at or[0])",
        ),
        ({"constraint": {"name": [1]}}, errno.EPROTO, "name value must be a string"),
    ],
)
@pytest.mark.parametrize("ask", [ids, stream])
def test_a_bad_request_is_refused(  # streaming or not
    shared_daemon: DaemonProcess,
    ask: Any,  # noqa: ANN401 - one of two functions
    keys: dict[str, object],
    errnum: int,
    text: str,
) -> None:
    """With flux-core's words."""
    with pytest.raises(RpcError) as error:
        ask(shared_daemon, **keys)
    assert error.value.errnum == errnum
    assert text in error.value.text


def test_a_stream_has_pages_and_its_version_in_the_first(
    shared_daemon: DaemonProcess, history: list[int]
) -> None:
    """RFC 43: version 1, unlisted later; no page at all if no job matches."""
    pages = stream(shared_daemon)
    assert [job["id"] for page in pages for job in page["jobs"]] == history[::-1]
    assert [page.get("version") for page in pages] == [1] + [None] * (len(pages) - 1)
    assert stream(shared_daemon, constraint={"name": ["nothing"]}) == []
    assert "version" not in shared_daemon.rpc("job-list.list", {"max_entries": 0, "attrs": []})


def test_a_request_in_json_is_answered_in_json(
    shared_daemon: DaemonProcess, history: list[int]
) -> None:
    """Pages are encoded once, in the request's format."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, 10_000)
    socket.connect(f"ipc://{shared_daemon.rundir}/rpc")
    body = b'{"max_entries": 2, "attrs": ["name"]}\0'
    for flags in (0, FLAG_STREAMING):
        request = Request("job-list.list", body, matchtag=1, flags=flags)
        socket.send_multipart(request.frames())
        response = decode(socket.recv_multipart())
        assert isinstance(response, Response)
        assert response.payload is not None
        jobs = json.loads(response.payload.rstrip(b"\0"))["jobs"]
        assert jobs == [{"id": id, "name": "simulated"} for id in history[:-3:-1]]
    socket.close()


async def write_history(path: Path, jobs: int, name: str) -> None:
    """Keep jobs that ended, while no daemon runs."""
    store = SqliteStore(path, durability="os")
    await store.open()
    for first in range(1, jobs, 1000):
        rows = [replace(ended(id), name=name) for id in range(first, first + 1000)]
        await store.write(Changes(ended=rows))
    await store.close()


def test_a_client_that_does_not_read_does_not_grow_the_daemon(
    stopped_daemon: DaemonProcess,
) -> None:
    """Its stream waits after a few pages, of 20 MB; another client reads all of them meanwhile."""
    state = stopped_daemon.statedir
    state.mkdir(mode=0o700)
    asyncio.run(write_history(state / "jobs.sqlite", 20_000, "n" * 1000))
    stopped_daemon.start()
    assert sum(len(page["jobs"]) for page in stream(stopped_daemon, attrs=["name"])) == 20_000
    before = resident(stopped_daemon)
    idle: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    idle.setsockopt(zmq.LINGER, 0)
    idle.setsockopt(zmq.RCVHWM, 1)
    idle.connect(f"ipc://{stopped_daemon.rundir}/rpc")
    body = encode({"max_entries": 0, "attrs": ["name"]})
    idle.send_multipart(Request("job-list.list", body, matchtag=1, flags=FLAG_STREAMING).frames())
    assert sum(len(page["jobs"]) for page in stream(stopped_daemon, attrs=["name"])) == 20_000
    assert resident(stopped_daemon) < before + 8 * 2**20
    idle.close()


def resident(daemon: DaemonProcess) -> int:
    """Bytes of memory that the daemon has."""
    assert daemon.process is not None
    pages = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class TestListId:
    """job-list.list-id."""

    def test_a_job_is_described_wherever_it_is(self, one_core: DaemonProcess) -> None:
        """Active or inactive; purged and unknown ones are refused at once, and told apart."""
        (done,) = run_jobs(one_core, 1)
        (running,) = submit(one_core, simulated(None))
        with one_core.client() as client:
            for id, result in ((done, Result.COMPLETED), (running, None)):
                request = {"id": id, "attrs": ["result"]}
                job = client.rpc("job-list.list-id", request)["job"]
                assert (job["id"], job.get("result")) == (id, result)
            client.rpc("job-manager.purge", {"num_limit": 0, "force": True})
            for id, text in ((done, "unknown job: it was purged"), (12345, "unknown job")):
                with pytest.raises(RpcError, match=text) as error:
                    client.rpc("job-list.list-id", {"id": id, "attrs": [], "state": 64})
                assert error.value.errnum == errno.ENOENT

    def test_it_waits_until_the_job_comes_to_a_state(self, one_core: DaemonProcess) -> None:
        """A state that the job has been in counts, one that it will be in is waited for."""
        running, pending = submit(one_core, simulated(None), simulated("1ms"))
        wait_for(one_core, running, "start")
        request = {"id": pending, "attrs": ["t_run", "state"], "state": int(State.RUN)}
        with one_core.client() as client, one_core.client() as other:
            client.rpc("job-list.list-id", request | {"state": int(State.DEPEND)})
            with pytest.raises(RpcTimeoutError):
                client.rpc("job-list.list-id", request, timeout=0.05)
            other.rpc("job-manager.raise", {"id": running, "severity": 0, "type": "cancel"})
            job = client.rpc("job-list.list-id", request)["job"]
            assert job["t_run"] > 0

    def test_a_job_that_ends_without_the_state_answers_too(self, one_core: DaemonProcess) -> None:
        """Canceled while pending, it will never run."""
        running, pending = submit(one_core, simulated(None), simulated("1ms"))
        request = {"id": pending, "attrs": ["state"], "state": int(State.RUN)}
        with one_core.client() as client:
            with pytest.raises(RpcTimeoutError):
                client.rpc("job-list.list-id", request, timeout=0.05)
            one_core.rpc("job-manager.raise", {"id": pending, "severity": 0, "type": "cancel"})
            job = client.rpc("job-list.list-id", request)["job"]
        assert job == {"id": pending, "state": State.INACTIVE}
        assert ids(one_core, states=int(State.RUNNING)) == [running]

    @pytest.mark.parametrize("state", [1, 128])
    def test_a_state_that_cannot_be_waited_for_is_refused(
        self, shared_daemon: DaemonProcess, state: int
    ) -> None:
        """NEW, and bits that are no state."""
        with pytest.raises(RpcError, match="invalid payload: invalid state specified"):
            shared_daemon.rpc("job-list.list-id", {"id": 1, "attrs": [], "state": state})


def test_job_stats_count_states_results_and_queues(one_core: DaemonProcess) -> None:
    """Purging moves a job from its result to inactive_purged; totals stay."""
    done = submit(one_core, queued("1ms", "batch"), queued("1ms", "debug"), real_failure())
    for id in done:
        events(one_core, id)
    running, _ = submit(one_core, queued(None, "batch"), queued("1ms", "batch"))
    wait_for(one_core, running, "start")
    one_core.rpc("job-manager.purge", {"num_limit": 2, "force": True})
    stats = one_core.rpc("job-list.job-stats")
    states = {"depend": 0, "priority": 0, "sched": 1, "run": 1, "cleanup": 0, "inactive": 2}
    assert stats["job_states"] == states | {"total": 4}
    assert (stats["successful"], stats["failed"], stats["inactive_purged"]) == (1, 1, 1)
    assert stats["totals"] == {"completed": 2, "failed": 1, "canceled": 0, "timeout": 0}
    batch, debug, plain = stats["queues"]
    assert (batch["name"], debug["name"], plain["name"]) == ("batch", "debug", "plain")
    assert batch["job_states"] == states | {"inactive": 0, "total": 2}
    assert (batch["successful"], batch["inactive_purged"]) == (0, 1)
    assert (debug["successful"], debug["inactive_purged"]) == (1, 0)


def test_a_stream_of_job_stats_follows_the_jobs(one_core: DaemonProcess) -> None:
    """The counts at once, then again whenever jobs or history changed (job-list/stats.c)."""
    with one_core.client() as client:
        stream = client.stream("job-list.job-stats")
        assert next(stream)["job_states"]["total"] == 0
        submit(one_core, queued("1ms", "batch"))
        assert next(stats for stats in stream if stats["successful"] == 1)
        one_core.rpc("job-manager.purge", {"num_limit": 0, "force": True})
        after = next(stats for stats in stream if stats["inactive_purged"] == 1)
        assert after["job_states"]["total"] == 0
