"""Jobspecs as they are built: from a command, with attributes by their path."""

import copy
import math
from typing import Any

import pytest

from protocol import jobspec
from protocol.errors import FormatError
from tests.protocol.jobspecs import MINIMAL, system


class TestFromCommand:
    """What flux submit builds."""

    def test_builds_a_slot_for_each_task(self) -> None:
        """Without nodes: slot>(core,gpu), one task a slot."""
        value = jobspec.from_command(["app"], num_tasks=4, cores_per_task=2, gpus_per_task=1)
        spec = jobspec.parse(value)
        assert (spec.num_slots, spec.cores_per_slot, spec.gpus_per_slot) == (4, 2, 1)
        assert (spec.nodes, spec.ntasks) == (0, 4)
        assert value["tasks"][0]["count"] == {"per_slot": 1}

    @pytest.mark.parametrize(
        ("num_tasks", "slots_per_node", "count"), [(8, 2, {"per_slot": 1}), (5, 2, {"total": 5})]
    )
    def test_spreads_tasks_over_nodes(
        self, num_tasks: int, slots_per_node: int, count: dict[str, int]
    ) -> None:
        """An uneven spread says its total and leaves slots without a task."""
        value = jobspec.from_command(["app"], num_tasks=num_tasks, num_nodes=4, exclusive=True)
        spec = jobspec.parse(value)
        assert (spec.nodes, spec.slots_per_node, spec.ntasks) == (4, slots_per_node, num_tasks)
        assert spec.exclusive
        assert value["tasks"][0]["count"] == count

    def test_sets_what_is_given(self) -> None:
        """Every option arrives where parse finds it."""
        spec = jobspec.parse(
            jobspec.from_command(
                ["/bin/app", "-x"],
                duration=1.5,
                cwd="/",
                environment={"A": "b"},
                name="n",
                queue="q",
                output="o",
                error="e",
                label_io=True,
                attributes={"exec.test.run_duration": "1s", ".user.tag": [1]},
            )
        )
        assert (spec.duration, spec.cwd, spec.environment) == (1.5, "/", {"A": "b"})
        assert (spec.name, spec.queue, spec.user) == ("n", "q", {"tag": [1]})
        assert (spec.shell.stdout, spec.shell.stderr) == ("o", "e")
        assert (spec.shell.label_stdout, spec.shell.label_stderr) == (True, True)
        assert spec.test == jobspec.TestExec(1.0)

    @pytest.mark.parametrize(
        "options",
        [
            {"num_tasks": 0},
            {"cores_per_task": 0},
            {"gpus_per_task": -1},
            {"num_tasks": 1, "num_nodes": 2},
            {"num_nodes": -1},
            {"exclusive": True},
            {"duration": -1.0},
            {"duration": math.nan},
        ],
        ids=str,
    )
    def test_refuses_numbers_that_make_no_jobspec(self, options: dict[str, Any]) -> None:
        """A client learns it before it submits."""
        with pytest.raises(FormatError):
            jobspec.from_command(["app"], **options)


class TestSetAttribute:
    """Dotted paths as flux submit --setattr has them."""

    @pytest.mark.parametrize(
        ("key", "path"),
        [
            ("foo", ("system", "foo")),
            ("exec.test.run_duration", ("system", "exec", "test", "run_duration")),
            ("system.foo", ("system", "foo")),
            ("user.foo", ("user", "foo")),
            (".user.foo", ("user", "foo")),
            (".foo", ("foo",)),
            ("attributes.system.foo", ("system", "foo")),
            ("systemic", ("system", "systemic")),
        ],
    )
    def test_finds_the_place(self, key: str, path: tuple[str, ...]) -> None:
        """A key without a known beginning is one of attributes.system."""
        value: dict[str, Any] = {}
        jobspec.set_attribute(value, key, 42)
        level: Any = value["attributes"]
        for name in path:
            level = level[name]
        assert level == 42

    def test_keeps_what_is_beside(self) -> None:
        """Only the named value changes."""
        value = system(queue="q")
        jobspec.set_attribute(value, "job.name", "n")
        assert value == system(queue="q", job={"name": "n"})

    @pytest.mark.parametrize("key", ["", ".", "a..b", "user.", "duration.x"])
    def test_refuses_a_path_that_leads_nowhere(self, key: str) -> None:
        """Empty names, and levels that are no object."""
        with pytest.raises(FormatError):
            jobspec.set_attribute(copy.deepcopy(MINIMAL), key, 1)
