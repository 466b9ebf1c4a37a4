"""jobmgr queue, and what queues mean for jobs, with a daemon of two disjoint queues."""

import threading
from typing import Any

import pytest

from protocol.errors import RpcError
from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, run_jobs, simulated, submit, wait_for

CONFIG = """
[[resource.config]]
hosts = "test[0-1]"
cores = "0-1"
properties = ["batch"]
[[resource.config]]
hosts = "test2"
cores = "0-1"
properties = ["debug"]
[policy.jobspec.defaults.system]
queue = "batch"
duration = "1m"
[policy.limits]
job-size.max.ncores = 4
[queues.batch]
requires = ["batch"]
[queues.debug]
requires = ["debug"]
policy.limits.duration = "30m"
policy.limits.job-size.max.ncores = -1
"""


@pytest.fixture
def daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with two queues, both started."""
    stopped_daemon.configure(CONFIG)
    stopped_daemon.start()
    assert against(stopped_daemon.uri)("queue", "start", "--all", "--quiet").output == ""
    return stopped_daemon


@pytest.fixture
def jobmgr(daemon: DaemonProcess) -> Jobmgr:
    """Run jobmgr with it."""
    return against(daemon.uri)


def test_the_list_shows_limits_and_nodes_of_each_queue(jobmgr: Jobmgr) -> None:
    """The default has a star; sizes are bounded by what there is."""
    lines = [line.split() for line in jobmgr("queue", "list").stdout.splitlines()]
    assert lines[1:] == [
        *[["batch*", "enabled", "started", "1m", "inf", "0-2", "0-4", "0-0", "2", "test[0-1]"]],
        *[["debug", "enabled", "started", "1m", "30m", "0-1", "0-2", "0-0", "1", "test2"]],
    ]


def test_a_job_gets_its_queues_defaults_and_nodes(daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """In the jobspec that is kept."""
    for queue, host in ((None, "test0"), ("debug", "test2")):
        id = submit(daemon, simulated(queue=queue))[0]
        assert names(events(daemon, id))[-1] == "clean"
        assert f'"nodelist":["{host}"]' in jobmgr("job", "info", str(id), "R").stdout
    kept = jobmgr("job", "info", str(id), "jobspec").stdout
    assert '"duration":60.0' in kept
    assert '"constraints":{"properties":["debug"]}' in kept


ASKED = "the job asks for 3 slots of 1 cores of 1 node with 2 cores and 0 GPUs"
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"queue": "x"}, "Invalid queue 'x' specified"),
    ({"num_tasks": 5}, "requested ncores (5) exceeds policy limit of 4 for queue batch"),
    (
        {"queue": "debug", "attributes": {"duration": "1h"}},
        "requested duration (1h) exceeds policy limit of 30m for queue debug",
    ),
    (
        {"queue": "debug", "num_tasks": 3},
        f'unsatisfiable request: {ASKED} that match {{"properties":["debug"]}}',
    ),
)


def test_a_job_that_its_queue_does_not_take_is_refused_with_the_reason(
    daemon: DaemonProcess,
) -> None:
    """And leaves nothing."""
    for options, text in REFUSED:
        with pytest.raises(RpcError) as caught:
            submit(daemon, simulated(**options))
        assert str(caught.value) == text
    assert daemon.rpc("job-manager.stats-get")["active_jobs"] == 0


def test_switches_hold_over_a_kill(daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """A stopped queue takes jobs and starts none, a disabled one takes none; others go on."""
    assert jobmgr("queue", "stop", "batch", "-m", "noon").stdout == (
        "batch: Scheduling is stopped: noon\n"
    )
    assert jobmgr("queue", "disable", "debug").stdout == (
        "debug: Job submission is disabled: disabled by administrator\n"
    )
    daemon.kill()
    daemon.start()
    assert jobmgr("queue", "status").stdout == (
        "batch: Job submission is enabled\n"
        "batch: Scheduling is stopped: noon\n"
        "debug: Job submission is disabled: disabled by administrator\n"
        "debug: Scheduling is started\n"
    )
    with pytest.raises(RpcError, match="job submission to debug is disabled: disabled by admin"):
        submit(daemon, simulated(queue="debug"))
    jobmgr("queue", "enable", "debug")
    waiting = submit(daemon, simulated())[0]
    assert names(events(daemon, submit(daemon, simulated(queue="debug"))[0]))[-1] == "clean"
    assert "alloc" not in jobmgr("job", "eventlog", str(waiting)).stdout
    jobmgr("queue", "start", "batch")
    assert names(events(daemon, waiting))[-1] == "clean"


def test_a_blocked_queue_does_not_block_another(daemon: DaemonProcess) -> None:
    """They have no node in common."""
    running, blocked = submit(daemon, *[simulated(None, num_tasks=4)] * 2)
    wait_for(daemon, running, "start")
    assert names(events(daemon, submit(daemon, simulated(queue="debug"))[0]))[-1] == "clean"
    assert names(wait_for(daemon, blocked, "priority"))[-1] == "priority"


def test_idle_waits_for_what_runs_and_drain_for_all(daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """Both can be given up; the answers come when it has come to that."""
    running, pending = submit(daemon, simulated(None), simulated(num_tasks=4))
    wait_for(daemon, running, "start")
    jobmgr("queue", "stop", "--all", "--quiet")
    assert jobmgr("queue", "idle", "--timeout=10ms").stderr == "jobmgr: queue idle: timeout\n"
    told = []
    waiter = threading.Thread(target=lambda: told.append(jobmgr("queue", "idle").stdout))
    waiter.start()
    daemon.rpc("job-manager.raise", {"id": running, "type": "cancel", "severity": 0})
    waiter.join()
    assert told == ["1 jobs\n"]
    assert jobmgr("queue", "drain", "--timeout=10ms").stderr == "jobmgr: queue drain: timeout\n"
    jobmgr("queue", "start", "--all", "--quiet")
    assert jobmgr("queue", "drain").exit_code == 0
    assert "clean" in jobmgr("job", "eventlog", str(pending)).stdout


def test_a_reload_changes_queues_and_keeps_what_was_asked_of_them(
    daemon: DaemonProcess, jobmgr: Jobmgr
) -> None:
    """Jobs of a queue that is gone wait; a new queue begins stopped."""
    jobmgr("queue", "stop", "--all", "--quiet")
    waiting = submit(daemon, simulated())[0]
    daemon.configure(CONFIG.replace("[queues.debug]", "[queues.new]").replace('"batch"', '"debug"'))
    assert daemon.process is not None
    refused = jobmgr("config", "reload")
    assert "default queue 'debug' is not in [queues]" in refused.stderr
    daemon.configure(CONFIG.replace("[queues.debug]", "[queues.new]"))
    daemon.reload()
    assert jobmgr("queue", "status", "new").stdout == (
        "new: Job submission is enabled\nnew: Scheduling is stopped\n"
    )
    jobmgr("queue", "start", "new")
    assert names(events(daemon, submit(daemon, simulated(queue="new"))[0]))[-1] == "clean"
    assert "alloc" not in jobmgr("job", "eventlog", str(waiting)).stdout


def test_without_queues_there_is_one_without_a_name(shared_daemon: DaemonProcess) -> None:
    """It is started, and no job may name a queue."""
    jobmgr = against(shared_daemon.uri)
    assert jobmgr("queue", "status").stdout == (
        "Job submission is enabled\nScheduling is started\n"
    )
    result = jobmgr("submit", "--queue=batch", "true")
    assert (result.exit_code, result.stderr) == (
        1,
        "jobmgr: submit: 'batch' is not a valid queue\n",
    )
    assert jobmgr("queue", "start", "x").stderr == (
        "jobmgr: queue start: 'x' is not a valid queue\n"
    )
    run_jobs(shared_daemon, 1)
