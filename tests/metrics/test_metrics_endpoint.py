"""The metrics endpoint of a real daemon: what Prometheus reads, and what HTTP may do to it."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol.errors import RpcError
from protocol.jobspec import set_attribute
from tests.conftest import DaemonProcess
from tests.e2e.jobs import run_jobs, simulated, submit, wait_for

CONFIG = """
[metrics]
bind = "unix:{{rundir}}/metrics"
[rpc]
max-message-size = "64k"
[job-manager.archive]
[resource]
cores = 8
"""


@pytest.fixture
def measured(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon that serves its metrics on a socket in its run directory."""
    stopped_daemon.configure(CONFIG)
    stopped_daemon.start()
    return stopped_daemon


def ask(daemon: DaemonProcess, request: str) -> tuple[str, str]:
    """The head and the body of an HTTP answer; empty if the connection was dropped."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(daemon.rundir / "metrics"))
        sock.sendall(request.encode())
        head, _, body = read_all(sock).decode().partition("\r\n\r\n")
    return head, body


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def scrape(daemon: DaemonProcess) -> dict[str, dict[tuple[str, ...], float]]:
    """Every sample's values by its labels, in the order of their names."""
    head, body = ask(daemon, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert f"Content-Length: {len(body.encode())}" in head
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_jobs_rpcs_store_and_purges_are_counted(measured: DaemonProcess) -> None:
    """Each number is what was done, and totals do not shrink by a purge."""
    run_jobs(measured, 5)
    with measured.client() as client:
        client.rpc("job-manager.purge", {"num_limit": 2, "force": True})
        with pytest.raises(RpcError):
            client.rpc("job-manager.getattr", {"id": 1, "attrs": []})
        with pytest.raises(RpcError):
            client.rpc("no.such-topic")
        with pytest.raises(RpcError, match="max-message-size"):
            client.rpc("job-manager.ping", {"pad": "x" * 70_000})
    found = scrape(measured)
    assert found["jobmgrd_jobs"]["", "inactive"] == 2
    assert found["jobmgrd_jobs"]["", "run"] == 0
    assert found["jobmgrd_jobs_ended_total"]["", "completed"] == 5
    assert found["jobmgrd_rpc_requests_total"]["job-ingest.submit",] == 5
    assert found["jobmgrd_rpc_seconds_count"]["job-ingest.submit",] == 5
    assert 0 < found["jobmgrd_rpc_seconds_sum"]["job-ingest.submit",] < 60
    assert found["jobmgrd_rpc_errors_total"]["job-manager.getattr",] == 1
    assert found["jobmgrd_rpc_errors_total"]["unknown",] == 1
    assert ("config.get",) not in found["jobmgrd_rpc_requests_total"]
    assert found["jobmgrd_refused_total"]["message_size",] == 1
    assert found["jobmgrd_purged_jobs_total"][()] == 3
    assert found["jobmgrd_purge_batches_total"][()] == 1
    assert found["jobmgrd_archived_jobs_total"][()] == 3
    commits = found["jobmgrd_store_commit_seconds_count"][()]
    assert commits >= 3
    assert (
        found["jobmgrd_store_writes_total"][()] >= found["jobmgrd_store_commit_seconds_count"][()]
    )
    assert found["jobmgrd_store_bytes"][()] > 4096
    assert found["jobmgrd_events_published_total"][()] >= 1
    assert found["jobmgrd_events_overflows_total"][()] == 0
    assert found["process_resident_memory_bytes"][()] > 2**20


def test_jobs_are_counted_by_queue_and_state(stopped_daemon: DaemonProcess) -> None:
    """A job that runs is in its queue's row, and none is counted twice."""
    stopped_daemon.configure(CONFIG + "[queues.debug]\n")
    stopped_daemon.start()
    stopped_daemon.rpc("job-manager.queue-start", {"start": True, "all": True})
    jobspec = simulated("1h")
    set_attribute(jobspec, "system.queue", "debug")
    (job,) = submit(stopped_daemon, jobspec)
    wait_for(stopped_daemon, job, "start")
    jobs = scrape(stopped_daemon)["jobmgrd_jobs"]
    assert jobs["debug", "run"] == 1
    assert sum(jobs.values()) == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200 OK"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        ("GET /metrics\r\n\r\n", "400 Bad Request"),
        ("\x00\xff\r\n\r\n", "400 Bad Request"),
        ("GET /" + "x" * 20_000 + " HTTP/1.1\r\n\r\n", ""),
    ],
)
def test_what_is_no_scrape_is_refused(measured: DaemonProcess, request_: str, status: str) -> None:
    """The status says why; a request that is too long is dropped."""
    head, _ = ask(measured, request_)
    assert head.partition("\r\n")[0].removeprefix("HTTP/1.1 ") == status


def test_head_has_no_body(measured: DaemonProcess) -> None:
    """But the length that the body would have."""
    head, body = ask(measured, "HEAD /metrics HTTP/1.1\r\n\r\n")
    assert "200 OK" in head
    assert body == ""


def test_the_socket_is_the_owners_alone(measured: DaemonProcess) -> None:
    """Nobody else may connect, and it may be there from a daemon that was killed."""
    path = Path(measured.rundir, "metrics")
    assert path.stat().st_mode & 0o077 == 0
    measured.kill()
    measured.start()
    assert "jobmgrd_jobs" in scrape(measured)


def test_idle_connections_are_bounded_and_do_not_hold_the_daemon(measured: DaemonProcess) -> None:
    """The seventeenth is dropped at once, and a stop waits for none of them."""
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(17)]
        for sock in idle:
            sock.settimeout(20)
            sock.connect(str(measured.rundir / "metrics"))
        assert idle[16].recv(1) == b""
        assert measured.stop() == 0


def test_an_address_that_is_taken_is_fatal(stopped_daemon: DaemonProcess) -> None:
    """With a line that names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stopped_daemon.configure(f'[metrics]\nbind = "127.0.0.1:{port}"\n')
        assert stopped_daemon.spawn().wait(20) == 1
    assert f"cannot serve metrics on 127.0.0.1:{port}" in stopped_daemon.log.read_text()
