"""Commands of the site around real jobs, and a daemon that is killed while they run."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobmgrd.cli.jobmgr import cli
from protocol import jobid
from protocol.job import State
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, submit, wait_for

TIMEOUT = 20.0


def script(daemon: DaemonProcess, name: str, text: str) -> str:
    """Write a shell script into the daemon's directory; its path, as a TOML string."""
    path = daemon.directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return f'"{path}"'


def wait_until_there(path: Path, lines: int = 1) -> list[str]:
    """Wait until a file has so many lines."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().count("\n") >= lines:
            return path.read_text().splitlines()
        time.sleep(0.01)
    raise AssertionError(f"{path} has no {lines} lines")


def around(daemon: DaemonProcess, **commands: str) -> None:
    """Configure scripts by the names of their tables."""
    daemon.configure(
        "\n".join(
            f"[job-manager.{name}]\ncommand = [{script(daemon, name, text)}, 'arg']"
            for name, text in commands.items()
        )
    )


def test_a_killed_daemon_finds_the_prolog_again(stopped_daemon: DaemonProcess) -> None:
    """It runs once, to its end, whatever becomes of the daemon; then the job runs."""
    daemon = stopped_daemon
    log, gate = daemon.directory / "said", daemon.directory / "gate"
    text = f'echo "$1 $FLUX_JOB_ID $FLUX_JOB_USERID" >> {log}; until [ -e {gate} ]; do sleep 0.02'
    around(daemon, prolog=f"{text}; done", epilog=f"echo epilog >> {log}")
    daemon.start()
    (id,) = submit(daemon, real("sh", "-c", f"echo task >> {log}"))
    (said,) = wait_until_there(log)
    assert said.startswith(f"arg {jobid.encode(id)} ")
    daemon.kill()
    daemon.start()
    assert names(wait_for(daemon, id, "prolog-start"))[-1] == "prolog-start"
    daemon.kill()
    gate.touch()  # it ends while nobody looks
    daemon.start()
    seen = names(events(daemon, id))
    assert seen[seen.index("alloc") :] == [
        *("alloc", "prolog-start", "prolog-finish", "start", "finish"),
        *("epilog-start", "epilog-finish", "release", "free", "clean"),
    ]
    assert log.read_text().splitlines() == [said, "task", "epilog"]


@pytest.mark.parametrize("name", ["prolog", "epilog", "housekeeping"])
def test_what_fails_drains_the_node_with_a_reason(stopped_daemon: DaemonProcess, name: str) -> None:
    """An administrator sees which job it was; the next job waits until the node is undrained."""
    daemon = stopped_daemon
    flag = daemon.directory / "flag"
    around(daemon, **{name: f"[ -e {flag} ]"})
    daemon.start()
    first, second = submit(daemon, real("true"), real("true"))
    ended = events(daemon, first)
    with daemon.client() as client:
        deadline = time.monotonic() + TIMEOUT
        while not (drain := client.rpc("resource.status")["drain"]):
            assert time.monotonic() < deadline
        reason = next(iter(drain.values()))["reason"]
        assert reason.startswith(f"{name} failed for job ")
        flag.touch()
        assert (name == "prolog") is ("start" not in names(ended))
        client.rpc("resource.undrain", {"targets": "0"})
    assert names(events(daemon, second))[-1] == "clean"


def test_housekeeping_outlives_the_daemon(stopped_daemon: DaemonProcess) -> None:
    """The job is over, and even purged; its core is not given away before the command ends."""
    daemon = stopped_daemon
    log, gate = daemon.directory / "said", daemon.directory / "gate"
    text = f"echo $FLUX_JOB_RANKS >> {log}; until [ -e {gate} ]; do sleep 0.02; done"
    around(daemon, housekeeping=text)
    daemon.config.write_text(daemon.config.read_text() + "\n[resource]\ncores = 1\n")
    daemon.start()
    first, second = submit(daemon, real("true"), real("true"))
    assert names(events(daemon, first))[-1] == "clean"
    assert wait_until_there(log) == ["0"]
    daemon.kill()
    daemon.start()
    running = daemon.rpc("job-manager.stats-get")["housekeeping"]["running"]
    assert list(running) == [jobid.encode(first)]
    listed = CliRunner().invoke(cli, ["--uri", daemon.uri, "housekeeping", "list"]).stdout
    assert listed.splitlines()[1].split()[::2] == [jobid.encode(first), "0"]
    daemon.rpc("job-manager.purge-id", {"id": first, "force": True})
    waiting = daemon.rpc("job-list.list-id", {"id": second, "attrs": ["state"]})
    assert waiting["job"]["state"] == State.SCHED
    gate.touch()
    assert names(events(daemon, second))[-1] == "clean"
    assert wait_until_there(log, 2) == ["0", "0"]


@pytest.mark.parametrize("name", ["epilog", "housekeeping"])
def test_a_stop_blames_no_node(stopped_daemon: DaemonProcess, name: str) -> None:
    """What the daemon ends itself is begun again by the next, and has not failed."""
    daemon = stopped_daemon
    log, flag = daemon.directory / "said", daemon.directory / "flag"
    around(daemon, **{name: f"echo begun >> {log}; [ -e {flag} ] || sleep 60"})
    daemon.start()
    (id,) = submit(daemon, real("true"))
    wait_until_there(log)
    assert daemon.stop() == 0
    flag.touch()
    daemon.start()
    assert "exception" not in names(events(daemon, id))
    assert wait_until_there(log, 2) == ["begun", "begun"]
    with daemon.client() as client:
        while client.rpc("job-manager.stats-get")["housekeeping"]["running"]:
            assert client.rpc("resource.status")["drain"] == {}
        assert client.rpc("resource.status")["drain"] == {}
