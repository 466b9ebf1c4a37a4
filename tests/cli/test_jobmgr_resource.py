"""jobmgr resource with a daemon of several nodes: lists, drains, and what both mean for jobs."""

import json

import pytest

from tests.cli.conftest import Jobmgr, against
from tests.conftest import DaemonProcess
from tests.e2e.jobs import real, submit, wait_for

NODES = """
[[resource.config]]
hosts = "test[0-3]"
cores = "0-1"
[[resource.config]]
hosts = "test[2-3]"
gpus = "0"
properties = ["batch"]
"""


@pytest.fixture
def daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon with four nodes."""
    stopped_daemon.configure(NODES)
    stopped_daemon.start()
    return stopped_daemon


@pytest.fixture
def jobmgr(daemon: DaemonProcess) -> Jobmgr:
    """Run jobmgr with it."""
    return against(daemon.uri)


def whole(nodes: int) -> dict[str, object]:
    """A job that wants so many whole nodes and runs for long, without the daemon, too."""
    spec = real("sleep", "60")
    slot = {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 2}]}
    return spec | {"resources": [{"type": "node", "count": nodes, "with": [slot]}]}


def cells(output: str) -> list[list[str]]:
    """The words of each line but the first."""
    return [line.split() for line in output.splitlines()[1:]]


def test_what_is_free_is_what_jobs_do_not_hold(daemon: DaemonProcess, jobmgr: Jobmgr) -> None:
    """Nodes with the same properties are one line; R says ranks, hosts and properties."""
    id = submit(daemon, whole(3))[0]
    wait_for(daemon, id, "start")
    assert cells(jobmgr("resource", "list").stdout) == [
        ["free", "batch", "2", "2", "2", "test[2-3]"],
        ["allocated", "2", "4", "0", "test[0-1]"],
        ["allocated", "batch", "1", "2", "0", "test2"],
        ["down", "0", "0", "0"],
    ]
    R = json.loads(jobmgr("job", "info", str(id), "R").stdout)["execution"]
    assert R["R_lite"] == [{"rank": "0-2", "children": {"core": "0-1"}}]
    assert (R["nodelist"], R["properties"]) == (["test[0-2]"], {"batch": "2"})


def test_a_drained_node_gets_no_new_jobs_until_it_is_undrained(
    daemon: DaemonProcess, jobmgr: Jobmgr
) -> None:
    """Over a kill, too; what runs there goes on, and the node is draining."""
    first = submit(daemon, whole(1))[0]
    wait_for(daemon, first, "start")
    assert jobmgr("resource", "drain", "test[0-1]", "disk", "is", "full").exit_code == 0
    daemon.kill()
    daemon.start()
    lines = cells(jobmgr("resource", "status").stdout)
    assert [line[:3] for line in lines] == [
        ["avail", "2", "2-3"],
        ["draining", "1", "0"],
        ["drained", "1", "1"],
    ]
    assert lines[1][-4:] == ["test0", "disk", "is", "full"]
    assert cells(jobmgr("resource", "drain").stdout) == lines[1:]
    three = submit(daemon, whole(3))[0]
    wait_for(daemon, three, "priority")
    again = jobmgr("resource", "drain", "1", "net")
    assert (again.exit_code, again.stderr) == (
        1,
        "jobmgr: resource drain 1: rank 1 already drained (--force replaces the reason)\n",
    )
    assert jobmgr("resource", "undrain", "1").exit_code == 0
    wait_for(daemon, three, "start")
    assert "test[1-3]" in jobmgr("job", "info", str(three), "R").stdout


def test_a_job_runs_on_nodes_like_those_it_requires(jobmgr: Jobmgr) -> None:
    """In RFC 35's syntax; what it cannot get is refused."""
    run = jobmgr("run", "--requires=batch&-hosts:test2", "sh", "-c", "true")
    assert (run.exit_code, run.stderr) == (0, "")
    (id,) = jobmgr("jobs", "-a", "-n", "-o", "{id} {nodelist}").stdout.split("\n")[:1]
    assert id.endswith(" test3")
    refused = jobmgr("submit", "--requires=fast", "true")
    assert 'of 0 nodes with 0 cores and 0 GPUs that match {"properties":["fast"]}' in refused.stderr
    assert jobmgr("submit", "--requires=(fast", "true").exit_code == 2


def test_targets_that_are_none_are_named(jobmgr: Jobmgr) -> None:
    """As flux-core words it."""
    for words, text in (
        (("drain", "test[3-5]"), "invalid targets: invalid hosts: test[4-5]"),
        (("drain", "0-9"), "idset is out of range"),
        (("undrain", "2"), "rank 2 not drained (--force passes over it)"),
    ):
        result = jobmgr("resource", *words)
        assert (result.exit_code, result.stderr.rstrip()) == (
            1,
            f"jobmgr: resource {words[0]} {words[1]}: {text}",
        )
    assert jobmgr("resource", "list", "--states=idle").exit_code == 2


def test_an_excluded_node_gets_no_jobs_and_cannot_be_drained(daemon: DaemonProcess) -> None:
    """One that was drained before is so no more; Flux's keys say what is excluded."""
    jobmgr = against(daemon.uri)
    assert jobmgr("resource", "drain", "test[1-2]", "net").exit_code == 0
    daemon.stop()
    daemon.configure(f'{NODES}[resource]\nexclude = "test[0-1]"\n')
    daemon.start()
    lines = [line[:3] for line in cells(jobmgr("resource", "status").stdout)]
    assert lines == [["avail", "1", "3"], ["exclude", "2", "0-1"], ["drained", "1", "2"]]
    status = json.loads(jobmgr("resource", "status", "--json").stdout)
    assert (status["exclude"], list(status["drain"])) == ("0-1", ["2"])
    assert status["R"]["execution"]["nodelist"] == ["test[0-3]"]
    assert "test[2-3]" in jobmgr("resource", "list", "--states=all").stdout
    refused = jobmgr("resource", "drain", "0-1", "net")
    assert refused.stderr == "jobmgr: resource drain 0-1: ranks 0-1 excluded\n"
    assert "of 2 nodes" in jobmgr("submit", "-N3", "true").stderr
    run = jobmgr("run", "sh", "-c", "true")
    assert (run.exit_code, run.stderr) == (0, "")
    assert jobmgr("jobs", "-a", "-n", "-o", "{nodelist}").stdout == "test3\n"
