"""Queues: what a job gets of them, their switches, and what a restart keeps."""

from collections.abc import Mapping
from typing import Any

import pytest

from jobmgrd.jobs.policy import Policy
from jobmgrd.jobs.queues import ON_RESTART, QueueConfig, Queues
from protocol.errors import FormatError
from protocol.job_manager import QueueStatus
from protocol.jobspec import Jobspec, from_command, parse

BATCH = {
    "batch": QueueConfig(("b",), policy=Policy(default_duration=60.0)),
    "debug": QueueConfig(("d", "fast"), policy=Policy(duration=30.0)),
    "short": QueueConfig(parent="debug", policy=Policy(default_duration=5.0)),
}


def spec(queue: str | None = None, **options: Any) -> Jobspec:  # noqa: ANN401 - as from_command
    """A job."""
    return parse(from_command(["true"], queue=queue, **options))


def groups_of(_userid: int) -> list[int]:
    """Everybody's groups."""
    return [20]


def queues(default: str | None = None, **configs: QueueConfig) -> Queues:
    """Queues as configured: the three above unless others are given."""
    made = Queues()
    made.configure(Policy(default_queue=default), configs or BATCH)
    return made


def test_without_queues_jobs_name_none_and_get_nothing() -> None:
    """The queue without a name begins enabled and started."""
    made = Queues()
    assert made.missing(spec()) == {}
    made.check(spec(), 7, groups_of)
    assert made.started("")
    with pytest.raises(FormatError, match=r"^'batch' is not a valid queue$"):
        made.missing(spec("batch"))


def test_with_queues_a_job_is_in_one_of_them() -> None:
    """The one it names, or the default, whose properties and duration it gets."""
    with pytest.raises(FormatError, match=r"^no queue specified$"):
        queues().missing(spec())
    with pytest.raises(FormatError, match=r"^Invalid queue 'x' specified$"):
        queues().missing(spec("x"))
    assert queues("batch").missing(spec()) == {
        "queue": "batch",
        "duration": 60.0,
        "constraints": {"properties": ["b"]},
    }
    assert queues().missing(spec("batch", duration=1.0)) == {"constraints": {"properties": ["b"]}}


@pytest.mark.parametrize(
    ("own", "both"),
    [
        ({"properties": ["x", "d"]}, {"properties": ["x", "d", "fast"]}),
        (
            {"hostlist": ["a"]},
            {"and": [{"hostlist": ["a"]}, {"properties": ["d", "fast"]}]},
        ),
    ],
)
def test_a_jobs_constraints_hold_beside_the_queues(
    own: Mapping[str, Any], both: Mapping[str, Any]
) -> None:
    """As flux-core's frobnicator puts them together."""
    job = spec("debug", attributes={"constraints": own})
    assert queues().missing(job) == {"constraints": both}


def test_a_virtual_queue_has_what_its_parent_has_but_for_what_it_says() -> None:
    """Nodes, limits and defaults."""
    made = queues()
    assert made.missing(spec("short"))["constraints"] == {"properties": ["d", "fast"]}
    assert made.policy("short") == Policy(default_duration=5.0, duration=30.0)
    assert made.roots == {"batch": ("b",), "debug": ("d", "fast")}


def test_a_disabled_queue_refuses_with_the_reason() -> None:
    """Others go on."""
    made = queues()
    made.disable("debug", "out of order")
    with pytest.raises(FormatError, match=r"^job submission to debug is disabled: out of order$"):
        made.check(spec("debug", duration=1.0), 7, groups_of)
    made.check(spec("batch"), 7, groups_of)
    made.enable(None)
    made.check(spec("debug", duration=1.0), 7, groups_of)


def test_a_queue_for_others_refuses_and_its_virtual_queues_may_not() -> None:
    """Access is inherited like any policy."""
    made = queues(
        open=QueueConfig(),
        staff=QueueConfig(policy=Policy(groups=frozenset({30}))),
        guests=QueueConfig(parent="staff", policy=Policy(groups=frozenset({20}))),
        short=QueueConfig(parent="staff"),
    )
    made.check(spec("open"), 7, groups_of)
    made.check(spec("guests"), 7, groups_of)
    for name in ("staff", "short"):
        with pytest.raises(FormatError) as caught:
            made.check(spec(name), 7, groups_of)
        assert str(caught.value) == f"user 7 is not allowed to submit jobs to queue {name}"


def test_a_virtual_queue_waits_for_its_parent() -> None:
    """Its status says so (RFC 33)."""
    made = queues()
    made.start("short")
    assert not made.started("short")
    assert made.status("short") == QueueStatus(
        enable=True,
        start=False,
        parent="debug",
        blocked="parent",
        stop_reason="parent queue 'debug' is stopped",
    )
    made.start("debug")
    assert made.started("short")
    assert made.status("short") == QueueStatus(enable=True, start=True, parent="debug")


def test_switches_outlive_a_reload_and_a_restart_unless_told_not_to() -> None:
    """A new queue begins enabled and stopped; nocheckpoint is for this daemon alone."""
    made = queues()
    made.start(None)
    made.stop("debug", "busy", checkpoint=False)
    made.stop("batch", "noon")
    made.disable("short", "why")
    made.configure(Policy(), BATCH | {"new": QueueConfig()})
    assert made.status("batch").stop_reason == "noon"
    assert made.status("new") == QueueStatus(enable=True, start=False)
    later = queues()
    later.restore(made.save())
    assert (later.started("debug"), later.started("batch")) == (True, False)
    assert later.status("short").disable_reason == "why"
    stopped = queues()
    stopped.restore(made.save(), stop=True)
    assert stopped.status("debug").stop_reason == ON_RESTART
    again = queues()
    again.restore(stopped.save())
    assert again.started("debug")
    with pytest.raises(FormatError, match=r"^queues: "):
        again.restore(b"[]")


def test_a_queue_that_is_not_there_is_named() -> None:
    """With names, one has to be given."""
    made = queues()
    for name, text in (("x", "'x' is not a valid queue"), ("", "a named queue is required")):
        with pytest.raises(FormatError, match=text):
            made.start(name)
    assert not made.started("x")
