"""Archive, then purge."""

import sqlite3

import pytest

from protocol import job_shell
from protocol.errors import RpcError
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, real, run_jobs, submit
from tests.e2e.test_job_input import topic

ARCHIVING = '[heartbeat]\nperiod = "50ms"\n[job-manager.archive]\n'


@pytest.fixture
def archiving(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with an archive."""
    stopped_daemon.configure(ARCHIVING)
    stopped_daemon.start()
    return stopped_daemon


def archived(daemon: DaemonProcess, columns: str = "id") -> list[tuple[object, ...]]:
    """Rows of the archive, read as any SQL tool would."""
    db = sqlite3.connect(f"file:{daemon.statedir}/archive.sqlite?mode=ro", uri=True)
    try:
        return db.execute(f"SELECT {columns} FROM job ORDER BY t_clean, id").fetchall()  # noqa: S608
    finally:
        db.close()


def test_what_is_purged_is_in_the_archive(archiving: DaemonProcess) -> None:
    """Jobspec, eventlog, output, input and result, by RPC, by id and by heartbeat."""
    history = run_jobs(archiving, 6)
    history += submit(archiving, real("cat"))
    archiving.rpc(topic(archiving, history[-1]), job_shell.stdin(b"kept for good", eof=True))
    events(archiving, history[-1])
    archiving.rpc("job-manager.purge", {"num_limit": 5, "force": True})
    archiving.rpc("job-manager.purge-id", {"id": history[-1], "force": True})
    archiving.configure(ARCHIVING + "[job-manager]\ninactive-num-limit = 1\n")
    with archiving.client() as client, client.subscribe("job-purge-inactive") as purges:
        client.rpc("config.reload")
        next(purges)
    assert archived(archiving) == [(id,) for id in (*history[:5], history[-1])]
    ((jobspec, eventlog, *streams),) = archived(archiving, "jobspec, eventlog, output, input")[-1:]
    assert '"cat"' in str(jobspec)
    assert str(eventlog).count("\n") == 10
    assert ["kept for good" in str(stream) for stream in streams] == [True, True]
    assert '"stream":"stdin"' in str(streams[1])
    stats = archiving.rpc("job-manager.stats-get")["archive"]
    assert (stats["archived"], stats["failures"], stats["error"]) == (6, 0, "")


def test_nothing_is_purged_while_the_archive_fails(archiving: DaemonProcess) -> None:
    """It is said, counted, and tried again."""
    history = run_jobs(archiving, 4)
    file = archiving.statedir / "archive.sqlite"
    archiving.rpc("job-manager.purge", {"num_limit": 3, "force": True})
    for part in archiving.statedir.glob("archive.sqlite*"):
        part.unlink()
    file.mkdir()
    with pytest.raises(RpcError, match=r"archive\.sqlite"):
        archiving.rpc("job-manager.purge", {"num_limit": 0, "force": True})
    archiving.configure(ARCHIVING + "[job-manager]\ninactive-num-limit = 0\n")
    with archiving.client() as client, client.subscribe("heartbeat.pulse") as pulses:
        client.rpc("config.reload")
        while not client.rpc("job-manager.stats-get")["purge"]["blocked"]:
            next(pulses)
        stats = client.rpc("job-manager.stats-get")
        assert stats["inactive_jobs"] == 3
        assert stats["archive"]["failures"] >= 1
        assert "archive.sqlite" in stats["archive"]["error"]
        assert stats["purge"]["backlog"] == 3
        file.rmdir()
        while client.rpc("job-manager.stats-get")["inactive_jobs"]:
            next(pulses)
        stats = client.rpc("job-manager.stats-get")
    assert stats["purge"]["blocked"] == ""
    assert stats["archive"]["error"] == ""
    assert archived(archiving) == [(id,) for id in history[1:]]
    assert "purge.failed" in archiving.log.read_text()
