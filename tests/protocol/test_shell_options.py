"""Shell options: each is read as flux-shell reads it, and refused by its name."""

import math
from typing import Any

import pytest

from protocol.errors import FormatError
from protocol.shell_options import (
    DEFAULT,
    Affinity,
    PerResource,
    ShellOptions,
    Taskmap,
    Warn,
    read,
)
from protocol.taskmap import Block


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"plugin": {"of": "mine"}}, {}),
        ({"output": {"stdout": {"type": "kvs", "path": "x"}}}, {}),
        (
            {"output": {"mode": "append", "stdout": {"type": "file", "path": "o", "label": True}}},
            {"append": True, "stdout": "o", "label_stdout": True, "label_stderr": True},
        ),
        ({"output": {"limit": "1k"}}, {"output_limit": 1024}),
        ({"input": {"limit": 7}}, {"input_limit": 7}),
        ({"input": {"stdin": {"type": "file", "path": "in"}}}, {"stdin": "in"}),
        ({"input": {"stdin": {"type": "service"}}}, {}),
        ({"cpu-affinity": "verbose,per-task"}, {"cpu_affinity": Affinity("per-task")}),
        ({"cpu-affinity": "map:0-1;0xc"}, {"cpu_affinity": Affinity("map", ((0, 1), (2, 3)))}),
        ({"gpu-affinity": "off"}, {"gpu_affinity": Affinity("off")}),
        ({"rlimit": {"core": -1, "nofile": 64}}, {"rlimits": (("core", -1), ("nofile", 64))}),
        ({"umask": "0077"}, {"umask": 0o77}),
        ({"exit-timeout": "none"}, {"exit_timeout": math.inf}),
        ({"exit-timeout": "2m"}, {"exit_timeout": 120.0}),
        ({"exit-on-error": 1}, {"exit_on_error": True}),
        ({"signal": 1}, {"warn": Warn(60.0, 10)}),
        ({"signal": {"timeleft": 5, "signum": 12}}, {"warn": Warn(5.0, 12)}),
        ({"taskmap": {"scheme": "cyclic", "value": "2"}}, {"taskmap": Taskmap("cyclic", 2)}),
        (
            {"taskmap": {"scheme": "manual", "value": "[[0,1,2,1]]"}},
            {"taskmap": Taskmap("manual", 1, (Block(0, 1, 2, 1),))},
        ),
        ({"per-resource": {"type": "core", "count": 2}}, {"per_resource": PerResource("core", 2)}),
    ],
)  # fmt: skip
def test_an_option_is_read(options: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is not given is as it is by default; what nobody knows has no effect."""
    assert read(options) == ShellOptions(**expected)


def test_no_options_cost_nothing() -> None:
    """They are not even built."""
    assert read({}) is DEFAULT


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"cpu-affinity": "some"}, "cpu-affinity: expected off, on, per-task or map:LIST"),
        ({"gpu-affinity": "map:"}, "gpu-affinity: the map is empty"),
        ({"cpu-affinity": "map:0;x"}, "cpu-affinity: 'x' is no list of ids"),
        ({"rlimit": {"nofiles": 1}}, "rlimit.nofiles: is not a limit"),
        ({"rlimit": {"core": 2**63}}, "rlimit.core: must be >= 0, or -1 for no limit"),
        ({"rlimit": {"core": -2}}, "rlimit.core: must be >= 0, or -1 for no limit"),
        ({"input": {"limit": 2**64}}, "input.limit: must be > 0"),
        ({"cpu-affinity": "map:65536"}, "cpu-affinity: '65536' is no list of ids"),
        ({"cpu-affinity": "map:" + "0-65535;" * 5}, "cpu-affinity: the map has more than 262144"),
        ({"cpu-affinity": "map:0x" + "f" * 20000}, "is no list of ids"),
        ({"umask": "9"}, "umask: expected octal digits, got '9'"),
        ({"exit-timeout": "soon"}, "exit-timeout: invalid FSD"),
        ({"output": {"limit": "much"}}, "output.limit: invalid size 'much'"),
        ({"output": {"mode": "w"}}, "output.mode: invalid enum value 'w'"),
        ({"input": {"limit": 0}}, "input.limit: must be > 0"),
        ({"input": {"stdin": {"type": "file"}}}, "input.stdin.path: missing the file to read"),
        ({"taskmap": {"scheme": "hilbert"}}, "taskmap.scheme: expected block, cyclic or manual"),
        ({"taskmap": {"scheme": "cyclic", "value": "0"}}, "taskmap.value: expected tasks per turn"),
        ({"taskmap": {"scheme": "cyclic", "value": "9" * 5000}}, "taskmap.value: expected tasks"),
        ({"taskmap": {"scheme": "manual", "value": "[]x"}}, "taskmap.value: taskmap: invalid JSON"),
        ({"per-resource": {"type": "rack"}}, "per-resource.type: invalid enum value 'rack'"),
        ({"signal": {"signum": 99}}, "signal.signum: "),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], text: str) -> None:
    """By its path below the options."""
    with pytest.raises(FormatError) as caught:
        read(options)
    assert text in str(caught.value)
