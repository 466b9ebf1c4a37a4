"""Jobspecs (RFC 25): what is derived from one, and what may be shown of it."""

import json

import pytest

from protocol import jobspec
from tests.protocol.jobspecs import MINIMAL, changed, options, resources, slot, system


class TestParse:
    """What the daemon needs is derived."""

    def test_derives_defaults_from_a_minimal_jobspec(self) -> None:
        """Everything that is not given is "not given", and the name is the program's."""
        spec = jobspec.parse(MINIMAL)
        assert spec.command == ("app",)
        assert (spec.num_slots, spec.cores_per_slot, spec.gpus_per_slot) == (1, 1, 0)
        assert (spec.nodes, spec.slots_per_node, spec.exclusive, spec.ntasks) == (0, 0, False, 1)
        assert (spec.duration, spec.cwd, spec.environment) == (0.0, None, {})
        assert (spec.name, spec.queue, spec.test, spec.shell.stdout) == ("app", "", None, None)

    def test_multiplies_slots_by_nodes(self) -> None:
        """node>slot>(core,gpu): slots are counted for each node (RFC 25 use case 2.4)."""
        children = [{"type": "gpu", "count": 1}, {"type": "core", "count": 3}]
        node = {"type": "node", "count": 4, "exclusive": True, "with": [slot(2, children)]}
        spec = jobspec.parse(resources(node))
        assert (spec.nodes, spec.slots_per_node, spec.num_slots, spec.ntasks) == (4, 2, 8, 8)
        assert (spec.ncores, spec.ngpus, spec.exclusive) == (24, 8, True)

    @pytest.mark.parametrize(
        ("count", "ntasks"), [({"per_slot": 1}, 4), ({"per_slot": 3}, 12), ({"total": 5}, 5)]
    )
    def test_counts_tasks(self, count: dict[str, int], ntasks: int) -> None:
        """Tasks are counted for each slot or in all (RFC 25 use case 2.1 has 5 in 4 slots)."""
        value = resources(slot(4))
        value["tasks"][0]["count"] = count
        assert jobspec.parse(value).ntasks == ntasks

    @pytest.mark.parametrize(
        ("duration", "seconds"), [(0, 0.0), (90, 90.0), (0.5, 0.5), ("2m", 120.0), ("100ms", 0.1)]
    )
    def test_accepts_durations_as_numbers_and_fsd(self, duration: object, seconds: float) -> None:
        """Durations are seconds, or text as RFC 23 has it."""
        parsed = jobspec.parse(system(duration=duration)).duration
        assert parsed == seconds
        assert isinstance(parsed, float)

    @pytest.mark.parametrize(
        ("arg0", "name"), [("/bin/sleep", "sleep"), ("./a", "a"), ("dir/", "dir/"), ("x", "x")]
    )
    def test_names_a_job_after_its_program(self, arg0: str, name: str) -> None:
        """The default is the base name, as flux-core's job-list has it."""
        assert jobspec.parse(changed("tasks", 0, "command", to=[arg0, "/y/z"])).name == name

    def test_reads_system_attributes(self) -> None:
        """Known keys are checked and taken, unknown ones are allowed (RFC 14)."""
        spec = jobspec.parse(
            system(
                cwd="/home/flux",
                environment={"HOME": "/home/flux", "UNSET": None},
                queue="debug",
                bank="b",
                project="p",
                job={"name": "n", "mine": "x"},
                dependencies=[{"scheme": "afterok", "value": "f1", "more": 1}],
                constraints={"properties": ["big"]},
                surprise={"a": [1]},
            )
        )
        assert (spec.cwd, spec.queue, spec.bank, spec.project) == ("/home/flux", "debug", "b", "p")
        assert spec.environment == {"HOME": "/home/flux"}
        assert spec.name == "n"
        assert spec.dependencies == ({"scheme": "afterok", "value": "f1", "more": 1},)
        assert spec.constraints == {"properties": ["big"]}

    def test_keeps_shell_options_as_submitted(self) -> None:
        """The shell's plugins define what is in them."""
        spec = jobspec.parse(options({"exit-timeout": "30s", "mine": [1]}))
        assert spec.shell_options == {"exit-timeout": "30s", "mine": [1]}

    def test_reads_output_paths(self) -> None:
        """A path of type kvs is no path; one label labels."""
        streams = {
            "stdout": {"type": "file", "path": "out.{{id}}", "label": True},
            "stderr": {"type": "kvs", "path": "ignored"},
        }
        spec = jobspec.parse(options({"output": streams}))
        assert (spec.shell.stdout, spec.shell.stderr, spec.shell.label_stdout) == (
            "out.{{id}}",
            None,
            True,
        )

    def test_reads_the_exec_test_settings(self) -> None:
        """run_duration overrides the duration (flux-core testexec.c)."""
        test = {"run_duration": "1ms", "wait_status": 256, "mock_exception": "init", "override": 1}
        spec = jobspec.parse(system(duration=60, exec={"test": test}))
        assert spec.test == jobspec.TestExec(0.001, 256, "init", override=True)

    def test_simulates_the_duration_when_none_is_given(self) -> None:
        """A test job without run_duration runs its whole duration."""
        assert jobspec.parse(system(duration=60, exec={"test": {}})).test == jobspec.TestExec(60.0)

    def test_decoding_equals_parsing(self) -> None:
        """One pass over the bytes gives the same value."""
        value = system(environment={"A": "b"}, exec={"test": {"run_duration": "1s"}})
        assert jobspec.decode(json.dumps(value).encode()) == jobspec.parse(value)


class TestRedact:
    """What may be shown."""

    def test_removes_the_environment_alone(self) -> None:
        """Everything else is as submitted, unknown keys too."""
        value = system(environment={"TOKEN": "secret"}, mine=1)
        assert jobspec.redact(json.dumps(value).encode()) == system(mine=1)

    @pytest.mark.parametrize("value", [{}, {"attributes": None}, {"attributes": {"system": []}}])
    def test_leaves_what_has_no_environment(self, value: object) -> None:
        """A jobspec that was never validated may have any shape."""
        assert jobspec.redact(json.dumps(value).encode()) == value
