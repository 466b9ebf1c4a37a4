"""jobmgr with a daemon: its counters, events, configuration, and whether it answers."""

import json
import resource
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Jobmgr
from tests.conftest import DaemonProcess


def test_stats_are_for_people_programs_and_scripts(jobmgr: Jobmgr) -> None:
    """A key a line, one JSON object, or one value; a key that is not there is an error."""
    stats = json.loads(jobmgr("stats", "--json").stdout)
    assert stats["active_jobs"] == 0
    table = dict(line.split() for line in jobmgr("stats").stdout.splitlines() if " {" not in line)
    assert table["purge.seq"] == "0"
    assert jobmgr("stats", "--parse", "purge.seq").stdout == "0\n"
    missing = jobmgr("stats", "--parse", "purge.nothing")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("jobmgr: purge.nothing is not set: purge has seq, ")
    assert "period" in json.loads(jobmgr("stats", "heartbeat", "--json").stdout)


def test_events_are_published_and_followed(shared_daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """An event is printed as it comes, topic and payload; -c is how many before the exit."""
    shared_daemon.rpc("config.load", {"heartbeat": {"period": "100ms"}})
    assert jobmgr("event", "sub", "-c2", "heartbeat.").stdout == "heartbeat.pulse {}\n" * 2
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", shared_daemon.uri]
    argv += ["event", "sub", "test.", "heartbeat."]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "heartbeat.pulse {}\n"  # it is subscribed
        assert jobmgr("event", "pub", "test.a", '{"n": 1}').exit_code == 0
        others = set(iter(process.stdout.readline, 'test.a {"n": 1}\n'))
        process.kill()
    assert others <= {"heartbeat.pulse {}\n"}
    shared_daemon.reload()


def test_config_is_shown_replaced_and_reloaded(jobmgr: Jobmgr, tmp_path: Path) -> None:
    """What is loaded holds until a reload; what is wrong is refused whole, by name."""
    file = tmp_path / "limits.toml"
    file.write_text('[job-manager]\ninactive-age-limit = "7d"\n')
    assert jobmgr("config", "load", str(file)).exit_code == 0
    assert jobmgr("config", "get", "job-manager.inactive-age-limit").stdout == '"7d"\n'
    file.write_text('[job-manager]\ninactive-age-limit = "7x"\n')
    refused = jobmgr("config", "load", str(file))
    assert refused.exit_code == 1
    assert "invalid FSD '7x'" in refused.stderr
    assert "inactive-age-limit" in refused.stderr
    assert jobmgr("config", "reload").exit_code == 0
    assert json.loads(jobmgr("config", "get").stdout) == {}
    assert jobmgr("config", "get", "job-manager").exit_code == 1


def test_ping_tells_services_from_others(jobmgr: Jobmgr) -> None:
    """Exits 0 after `-c` answers, 1 if there is no such service."""
    lines = jobmgr("ping", "-c2", "-i", "1ms", "job-info").stdout.splitlines()
    assert [line.partition(" time=")[0] for line in lines] == [
        "job-info.ping seq=0",
        "job-info.ping seq=1",
    ]
    missing = jobmgr("ping", "-c1", "nothing")
    assert missing.exit_code == 1
    assert missing.stderr == "jobmgr: No service matching nothing.ping is registered\n"


def test_a_daemon_may_have_more_files_open_than_the_usual_limit(
    stopped_daemon: DaemonProcess,
) -> None:
    """Its clients have one each; its jobs still inherit the usual limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        stopped_daemon.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert stopped_daemon.process is not None
    limits = resource.prlimit(stopped_daemon.process.pid, resource.RLIMIT_NOFILE)
    assert limits == (min(65536, hard), hard)
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", stopped_daemon.uri]
    argv += ["run", "sh", "-c", "ulimit -Sn"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "1024\n"
