"""Kill -9, restart, stop, and a second daemon."""

import signal
import threading

import pytest

from jobmgrd.client import ConnectionLostError, NoDaemonError, RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, run_jobs, simulated, submit, wait_for


def test_every_answered_submit_survives_a_kill(daemon: DaemonProcess) -> None:
    """Killed at no particular moment, while a client submits as fast as it can."""
    answered: list[int] = []
    enough = threading.Event()

    def submit_until_it_dies() -> None:
        with daemon.client() as client:
            request = {"jobspec": simulated()}
            try:
                while True:
                    answered.append(client.rpc("job-ingest.submit", request)["id"])
                    if len(answered) > 100:
                        enough.set()
            except (ConnectionLostError, NoDaemonError):
                return

    thread = threading.Thread(target=submit_until_it_dies)
    thread.start()
    assert enough.wait(30)
    daemon.kill()
    thread.join()
    daemon.start()
    assert len(set(answered)) == len(answered)
    for id in answered:
        assert names(events(daemon, id))[-1] == "clean"
    assert run_jobs(daemon, 1)[0] > max(answered)


def test_queued_jobs_go_on_after_a_restart(stopped_daemon: DaemonProcess) -> None:
    """They keep their place; the log says that the job manager was restarted."""
    daemon = stopped_daemon
    daemon.configure("[resource]\ncores = 1\n")
    daemon.start()
    running, queued = submit(daemon, simulated(None), simulated())
    wait_for(daemon, running, "start")
    daemon.kill()
    daemon.start()
    daemon.rpc("job-manager.raise", {"id": running, "type": "cancel", "severity": 0})
    log = events(daemon, queued)
    assert "flux-restart" in names(log)
    assert names(log)[-1] == "clean"


def test_a_job_lost_with_its_supervisor_ends_with_an_exception(daemon: DaemonProcess) -> None:
    """It does not run twice, and says what happened to it."""
    id = submit(daemon, real("sleep", "1"))[0]
    wait_for(daemon, id, "start")
    daemon.kill()
    daemon.end_supervisor(signal.SIGKILL)
    daemon.start()
    log = events(daemon, id)
    assert names(log).count("start") == 1
    exception = next(event for event in log if event["name"] == "exception")["context"]
    assert exception["type"] == "exec"
    assert "restarted" in exception["note"]


def test_a_clean_stop_ends_running_jobs_and_loses_nothing(daemon: DaemonProcess) -> None:
    """SIGTERM: jobs end with an exception, everything is kept, the exit code is 0."""
    running, done = submit(daemon, real("sleep", "60"), simulated())
    wait_for(daemon, running, "start")
    events(daemon, done)
    assert daemon.stop() == 0
    daemon.start()
    assert (
        "stopped"
        in next(event for event in events(daemon, running) if event["name"] == "exception")[
            "context"
        ]["note"]
    )
    assert names(events(daemon, done))[-1] == "clean"


def test_a_stopping_daemon_ends_streams(daemon: DaemonProcess) -> None:
    """A consumer is told, not left hanging."""
    with daemon.client() as client:
        stream = client.stream("job-manager.events-journal", {})
        assert next(stream)["id"] == -1
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        with pytest.raises((RpcError, ConnectionLostError)):
            next(stream)


@pytest.mark.parametrize("other", ["rundir", "statedir"])
def test_a_second_daemon_is_refused_and_harms_nothing(daemon: DaemonProcess, other: str) -> None:
    """A clear error, exit code 1, and the living daemon is not disturbed."""
    assert daemon.process is not None
    pid = daemon.process.pid
    first = getattr(daemon, other)
    setattr(daemon, other, daemon.directory / "other")
    second = daemon.spawn()
    assert second.wait(20) == 1
    setattr(daemon, other, first)
    assert f"another jobmgrd (pid {pid}) is using" in daemon.log.read_text()
    assert run_jobs(daemon, 1)


def test_sockets_left_by_a_dead_daemon_are_taken_over(daemon: DaemonProcess) -> None:
    """Kill -9 leaves them; they do not stop the next daemon."""
    daemon.kill()
    assert (daemon.rundir / "rpc").is_socket()
    daemon.start()
    assert run_jobs(daemon, 1)


def test_a_run_directory_open_to_others_is_refused(stopped_daemon: DaemonProcess) -> None:
    """Private, or not at all."""
    stopped_daemon.rundir.mkdir(mode=0o755)
    assert stopped_daemon.spawn().wait(20) == 1
    assert "0755" in stopped_daemon.log.read_text()


def test_directories_and_files_are_private(daemon: DaemonProcess) -> None:
    """0700 for directories, nothing for others below."""
    run_jobs(daemon, 1)
    for directory in (daemon.rundir, daemon.statedir):
        assert directory.stat().st_mode & 0o777 == 0o700
    for file in daemon.statedir.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
