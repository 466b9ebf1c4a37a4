"""Jobspecs, version 1 (RFC 25)."""

import copy
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import jobspec
from protocol.errors import FormatError

MINIMAL: dict[str, Any] = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    ],
    "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}

DELETE = object()


def changed(*path: str | int, to: object = DELETE) -> dict[str, Any]:
    """MINIMAL with one value replaced or removed."""
    value = copy.deepcopy(MINIMAL)
    *levels, last = path
    level: Any = value
    for name in levels:
        level = level[name]
    if to is DELETE:
        del level[last]
    else:
        level[last] = to
    return value


def system(**attributes: object) -> dict[str, Any]:
    """MINIMAL with more attributes.system."""
    return changed("attributes", "system", to={"duration": 0} | attributes)


def options(value: object) -> dict[str, Any]:
    """MINIMAL with shell options."""
    return changed("attributes", "system", "shell", to={"options": value})


def slot(count: object = 1, children: object = None, **keys: object) -> dict[str, Any]:
    """A slot vertex."""
    children = children or [{"type": "core", "count": 1}]
    return {"type": "slot", "count": count, "label": "task", "with": children} | keys


def resources(*vertices: object) -> dict[str, Any]:
    """MINIMAL with another resource graph."""
    return changed("resources", to=list(vertices))


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


WRONG: list[tuple[Any, str]] = [
    (None, "jobspec: expected an object, got null"),
    ([], "jobspec: expected an object, got array"),
    ({}, "jobspec: missing version"),
    (changed("version", to=2), "jobspec: version: expected an integer <= 1"),
    (changed("version", to=True), "jobspec: version: expected an integer, got bool"),
    (MINIMAL | {"extra": 1}, "jobspec: unknown key extra"),
    (changed("tasks"), "jobspec: missing tasks"),
    (changed("tasks", to=[]), "jobspec: tasks: expected a list of length 1, got 0"),
    (
        changed("tasks", to=MINIMAL["tasks"] * 2),
        "jobspec: tasks: expected a list of length 1, got 2",
    ),
    (changed("tasks", 0, "command"), "jobspec: missing tasks[0].command"),
    (changed("tasks", 0, "command", to=5), "jobspec: tasks[0].command: expected a list, got int"),
    (
        changed("tasks", 0, "command", to="app"),
        "jobspec: tasks[0].command: expected a list, got str",
    ),
    (changed("tasks", 0, "command", to=[]), "jobspec: tasks[0].command: expected a list of length"),
    (
        changed("tasks", 0, "command", to=["a", 1]),
        "jobspec: tasks[0].command[1]: expected a string, got int",
    ),
    (changed("tasks", 0, "command", to=["a\0b"]), "jobspec: tasks[0].command: holds a NUL"),
    (changed("tasks", 0, "command", to=[""]), "jobspec: tasks[0].command[0]: expected a program"),
    (changed("tasks", 0, "slot", to="other"), "jobspec: tasks[0].slot: no slot is labeled 'other'"),
    (changed("tasks", 0, "count", to={}), "jobspec: tasks[0].count: expected exactly one of"),
    (
        changed("tasks", 0, "count", to={"per_slot": 1, "total": 1}),
        "jobspec: tasks[0].count: expected exactly one of",
    ),
    (
        changed("tasks", 0, "count", to={"per_resource": {}}),
        "jobspec: unknown key tasks[0].count.per_resource",
    ),
    (
        changed("tasks", 0, "count", to={"total": 0}),
        "jobspec: tasks[0].count.total: expected an integer >= 1",
    ),
    (resources(), "jobspec: resources: expected a list of length 1, got 0"),
    (resources(slot(), slot()), "jobspec: resources: expected a list of length 1, got 2"),
    (
        resources({"type": "core", "count": 1}),
        "jobspec: resources[0].type: invalid value 'core'",
    ),
    (
        resources(slot(children=[{"type": "memory", "count": 1}])),
        "jobspec: resources[0].with[0].type: invalid value 'memory'",
    ),
    (
        resources(slot(children=[{"type": "gpu", "count": 1}])),
        "jobspec: resources[0].with: expected one core and at most one gpu",
    ),
    (
        resources({"type": "node", "count": 1, "with": [{"count": 1}]}),
        "jobspec: missing resources[0].with[0].type",
    ),
    (
        resources({"type": "node", "count": 1, "with": [{"type": "core", "count": 1}]}),
        "jobspec: resources[0].with[0].type: expected slot below node",
    ),
    (resources(slot(0)), "jobspec: resources[0].count: expected an integer >= 1"),
    (resources(slot(-1)), "jobspec: resources[0].count: expected an integer >= 1"),
    (resources(slot(True)), "jobspec: resources[0].count: expected an integer, got bool"),
    (resources(slot(2**20 + 1)), "jobspec: resources[0].count: expected an integer <= 1048576"),
    (resources(slot(2**80)), "jobspec: resources[0].count: expected an integer <= 1048576"),
    (
        resources(slot(count={"min": 1})),  # RFC 14 has ranges
        "jobspec: resources[0].count: expected an integer, got object",
    ),
    (
        resources({"type": "node", "count": 2**15, "with": [slot(2**15)]}),
        "jobspec: resources: expected at most 1048576 slots and tasks",
    ),
    (resources(slot(id="x")), "jobspec: unknown key resources[0].id"),
    (changed("attributes", to={}), "jobspec: missing attributes.system"),
    (changed("attributes", to=None), "jobspec: attributes: expected an object, got null"),
    (
        changed("attributes", "system", "duration"),
        "jobspec: missing attributes.system.duration",
    ),
    (
        changed("attributes", to={"system": {"duration": 0}, "mine": {}}),
        "jobspec: unknown key attributes.mine",
    ),
    (system(duration=-1), "jobspec: attributes.system.duration: must be >= 0 and finite"),
    (system(duration=math.nan), "jobspec: attributes.system.duration: must be >= 0 and finite"),
    (system(duration=math.inf), "jobspec: attributes.system.duration: must be >= 0 and finite"),
    (system(duration=10**400), "jobspec: attributes.system.duration: number out of range"),
    (system(duration="notfsd"), "jobspec: attributes.system.duration: "),
    (system(duration="-1s"), "jobspec: attributes.system.duration: "),
    (
        system(duration=True),
        "jobspec: attributes.system.duration: expected a number or a duration string, got bool",
    ),
    (system(cwd=1), "jobspec: attributes.system.cwd: expected a string or null, got int"),
    (system(cwd="/a\0"), "jobspec: attributes.system.cwd: holds a NUL"),
    (system(environment=[]), "jobspec: attributes.system.environment: expected an object"),
    (
        system(environment={"A": 1}),
        "jobspec: attributes.system.environment[...]: expected a string or null, got int",
    ),
    (
        system(environment={1: "A"}),
        "jobspec: a key of attributes.system.environment: expected a string, got int",
    ),
    (system(environment={"A=": "b"}), "jobspec: attributes.system.environment: holds a NUL"),
    (system(environment={"": "b"}), "jobspec: attributes.system.environment: holds a NUL"),
    (system(environment={"A": "\0"}), "jobspec: attributes.system.environment: holds a NUL"),
    (
        system(dependencies=[{"scheme": "afterok"}]),
        "jobspec: attributes.system.dependencies[0]: missing value",
    ),
    (options(1), "jobspec: attributes.system.shell.options: expected an object"),
    (
        options({"output": {"stdout": {"path": 1}}}),
        "jobspec: attributes.system.shell.options: output.stdout.path: expected a string, got int",
    ),
    (
        options({"output": {"stderr": {"path": "a\0"}}}),
        "jobspec: attributes.system.shell.options.output: a path holds a NUL",
    ),
    (
        system(exec={"test": {"run_duration": "soon"}}),
        "jobspec: attributes.system.exec.test.run_duration: ",
    ),
    (
        system(exec={"test": {"wait_status": -1}}),
        "jobspec: attributes.system.exec.test.wait_status: expected an integer >= 0",
    ),
    (MINIMAL | {"\ud800": 1}, "jobspec: a key is not UTF-8"),
]


@pytest.mark.parametrize(("value", "text"), WRONG, ids=range(len(WRONG)))
def test_refuses_with_the_path_of_what_is_wrong(value: object, text: str) -> None:
    """A text that begins with the path lets a user mend a jobspec of any size."""
    with pytest.raises(FormatError) as caught:
        jobspec.parse(value)
    assert str(caught.value).startswith(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)

PLACES: list[tuple[str | int, ...]] = [
    ("version",),
    ("resources",),
    ("resources", 0),
    ("resources", 0, "count"),
    ("resources", 0, "with"),
    ("resources", 0, "with", 0),
    ("tasks",),
    ("tasks", 0),
    ("tasks", 0, "command"),
    ("tasks", 0, "count"),
    ("attributes",),
    ("attributes", "user"),
    ("attributes", "system"),
    *(
        ("attributes", "system", key)
        for key in (
            *("duration", "cwd", "environment", "queue", "job", "dependencies", "constraints"),
            *("shell", "exec"),
        )
    ),
]


@given(JSON)
def test_refuses_any_other_value(value: object) -> None:
    """No value makes it raise anything but FormatError."""
    with pytest.raises(FormatError):
        jobspec.parse(value)


@given(st.sampled_from(PLACES), JSON)
def test_survives_any_value_in_any_place(place: tuple[str | int, ...], value: object) -> None:
    """A jobspec with anything anywhere is a Jobspec or a FormatError."""
    with suppress(FormatError):
        assert jobspec.parse(changed(*place, to=value)).num_slots >= 1


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b'{"version": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b'"\\ud800"'],
    ids=["empty", "cut", "binary", "not UTF-8", "deep list", "deep object", "surrogate"],
)
def test_refuses_bytes_that_are_not_a_jobspec(data: bytes) -> None:
    """Neither a cut nor a very deep text gets past decode or redact."""
    with pytest.raises(FormatError, match=r"^jobspec: "):
        jobspec.decode(data)
    with pytest.raises(FormatError, match=r"^jobspec: "):
        jobspec.redact(data)


@pytest.mark.parametrize(
    "value",
    [b'"\xff"', b'"\\ud800"', b"9" * 30, b"[" * 40 + b"]" * 40],
    ids=["not UTF-8", "surrogate", "long integer", "deep list"],
)
def test_refuses_under_an_unknown_key_what_could_not_be_sent_again(value: bytes) -> None:
    """The journal tells of the whole jobspec: what it stumbles over must not be taken in."""
    data = json.dumps(system(unknown=0)).encode().replace(b'"unknown": 0', b'"unknown": ' + value)
    with pytest.raises(FormatError, match=r"^jobspec: "):
        jobspec.decode(data)


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
