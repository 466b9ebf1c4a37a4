"""What is no jobspec is refused, by the path of what is wrong."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import jobspec
from protocol.errors import FormatError
from tests.protocol.jobspecs import MINIMAL, changed, options, resources, slot, system

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
