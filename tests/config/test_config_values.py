"""Keys and values: what each may be, and with which words others are refused."""

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.config import (
    Config,
    ConfigError,
    check,
    load,
)
from jobmgrd.config.schema import JobManager
from jobmgrd.config.table import keys
from tests.config.conftest import Write
from tests.config.refusals import refusal


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    """A slip of the pen does not silently leave a default in force."""
    text = refusal({"job-manager": {"inactive-age-limits": "7d"}})
    assert text == (
        "config.load: [job-manager] inactive-age-limits: unknown key (did you mean "
        "inactive-age-limit?), expected one of " + ", ".join(keys(JobManager))
    )


def test_an_unknown_table_is_a_warning() -> None:
    """A Flux site may share its file; a slip is still pointed at."""
    loaded = check({"tbon": {"fanout": 2}, "job_manager": {}}, "config.load")
    assert loaded.config == Config()
    assert loaded.warnings == [
        "config.load: [tbon]: unknown table ignored",
        "config.load: [job_manager]: unknown table ignored (did you mean job-manager?)",
    ]


def test_a_key_outside_of_a_table_is_refused() -> None:
    """A forgotten [table] line is no unknown table."""
    assert refusal({"period": "1s"}).startswith(
        "config.load: period: key outside of a table, expected one of [daemon], "
    )
    assert refusal({"rpc": 3}) == "config.load: [rpc]: Expected table, got integer"


@pytest.mark.parametrize(
    ("table", "key", "value", "problem"),
    [
        ("job-manager", "inactive-age-limit", 7, "Expected string, got integer"),
        ("job-manager", "inactive-age-limit", 7.5, "Expected string, got real"),
        ("job-manager", "inactive-age-limit", None, "Expected string, got null"),
        ("job-manager", "inactive-age-limit", "7 days", "invalid FSD"),
        ("job-manager", "inactive-age-limit", "-1", "invalid FSD"),
        ("job-manager", "inactive-num-limit", -2, "must be >= 0"),
        ("job-manager", "inactive-num-limit", "9", "Expected integer, got string"),
        ("job-manager", "inactive-num-limit", True, "Expected integer, got boolean"),
        ("job-manager", "inactive-num-limit", 2**63, "must be <= 9223372036854775807"),
        ("job-manager", "purge-budget", "0", "must be > 0"),
        ("job-manager.tombstone-limit", "num", -2, "must be >= 0"),
        ("job-manager.tombstone-limit", "age", 90, "Expected string, got integer"),
        ("job-manager.archive", "format", "parquet", "unknown value 'parquet'"),
        ("job-manager.archive", "path", "archive.sqlite", "relative path 'archive.sqlite'"),
        ("job-manager.prolog", "command", "/etc/prolog", "Expected array, got string"),
        ("job-manager.prolog", "command", [], "array is empty"),
        ("job-manager.epilog", "command", ["", "x"], "the command's name is empty"),
        ("job-manager.epilog", "command", ["a\0"], "NUL in a command"),
        ("job-manager.epilog", "command", [3], "Expected string, got integer"),
        ("job-manager.prolog", "timeout", 30, "Expected string, got integer"),
        ("job-manager.prolog", "kill-timeout", 0, "must be > 0 and finite"),
        ("job-manager.prolog", "kill-timeout", "1m", "Expected real, got string"),
        ("heartbeat", "period", "0s", "must be > 0"),
        ("heartbeat", "period", "inf", "must be finite"),
        ("exec", "kill-timeout", "infinity", "must be finite"),
        ("exec", "output-limit", "10MB", "invalid size '10MB'"),
        ("exec", "output-limit", -1, "must be >= 0"),
        ("exec", "output-limit", "9" * 20, "must be <= 9223372036854775807"),
        ("rpc", "max-message-size", "1k", "must be >= 4096"),
        ("rpc", "bind", "ipc:///run/x", "Expected array, got string"),
        ("rpc", "bind", [], "array is empty"),
        ("rpc", "bind", [3], "Expected string, got integer"),
        (
            "rpc",
            "bind",
            ["tcp://127.0.0.1:1"],
            "tcp needs CURVE keys, but [curve] secret-key",
        ),
        ("rpc", "bind", ["tcp://127.0.0.1"], "expected tcp://ADDRESS:PORT"),
        ("rpc", "bind", ["tcp://*:99999"], "expected tcp://ADDRESS:PORT"),
        ("rpc", "bind", ["inproc://rpc"], "unsupported endpoint 'inproc://rpc'"),
        ("rpc", "bind", ["ipc://@abstract"], "unsupported endpoint 'ipc://@abstract'"),
        ("rpc", "bind", ["ipc:///" + "x" * 107], "socket path is longer than 107 bytes"),
        ("rpc", "bind", ["ipc://{{rundri}}/rpc"], "unknown template '{{rundri}}'"),
        ("rpc", "bind", ["ipc:///a", "ipc:///a"], "endpoint used twice"),
        ("events", "bind", ["ipc://{{rundir}}/rpc"], "endpoint used twice"),
        ("events", "job-state", 1, "Expected true or false, got integer"),
        ("metrics", "bind", "0.0.0.0:9464", "'0.0.0.0:9464' is not a loopback address"),
        ("metrics", "bind", ":9464", "':9464' is not a loopback address"),
        ("metrics", "bind", "example.org:9464", "is not a loopback address"),
        ("metrics", "bind", "localhost", "no port in 'localhost'"),
        ("metrics", "bind", "[::1]:65536", "no port in '[::1]:65536'"),
        ("metrics", "bind", "unix:metrics", "relative path in 'unix:metrics'"),
        ("metrics", "bind", "unix:/" + "x" * 107, "socket path is longer than 107 bytes"),
        ("metrics", "bind", 9464, "Expected string, got integer"),
        ("daemon", "rundir", "run", "relative path 'run'"),
        ("daemon", "statedir", "/a\0b", "NUL in a path"),
        ("daemon", "log-level", "loud", "unknown value 'loud'"),
        ("store", "path", "jobs.sqlite", "relative path 'jobs.sqlite'"),
        ("store", "path", "{{rundir}}/jobs.sqlite", "unknown template '{{rundir}}'"),
        ("store", "durability", ["full"], "Expected string, got array"),
        ("resource", "cores", 0, "must be >= 1"),
        ("resource", "cores", "many", "Expected integer, got string"),
        ("resource", "gpus", {}, "Expected integer, got table"),
    ],
)
def test_a_wrong_value_is_refused(table: str, key: str, value: object, problem: str) -> None:
    """The text names source, table and key, and says what is wrong before what was expected."""
    raw: dict[str, Any] = {key: value}
    for name in reversed(table.split(".")):
        raw = {name: raw}
    text = refusal(raw)
    assert text.startswith(f"config.load: [{table}] {key}: ")
    assert problem in text.split(", expected ")[0]
    assert ", expected " in text


def test_purge_budget_follows_the_heartbeat_unless_set() -> None:
    """A quarter of the period, or what is written."""
    raw: dict[str, Any] = {"heartbeat": {"period": "10s"}}
    assert check(raw, "x").config.purge_budget == 2.5
    raw["job-manager"] = {"purge-budget": "3s"}
    assert check(raw, "x").config.purge_budget == 3.0


@given(st.integers(0, 2**20), st.sampled_from("kKMGT"))
def test_a_size_with_a_unit_is_a_power_of_1024(number: int, unit: str) -> None:
    """Units multiply as flux-core's do, whichever case k has."""
    config = check({"exec": {"output-limit": f"{number}{unit}"}}, "x").config
    assert config.exec.output_limit == number * 1024 ** (1 + "KMGT".index(unit.upper()))


def test_a_size_may_be_a_fraction_of_a_unit() -> None:
    """1.5k is 1536 bytes; a number without a unit is bytes."""
    assert check({"exec": {"output-limit": "1.5k"}}, "x").config.exec.output_limit == 1536
    assert check({"exec": {"output-limit": "77"}}, "x").config.exec.output_limit == 77


VALUES = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, math.nan, math.inf, "", "1", "inf", "nan", "{{", "ipc:///a\0"]
)
NAMES = st.sampled_from(
    ["bind", "rundir", "cores", "output-limit", "purge-budget", "archive", "retention", "name", "x"]
)
ITEMS = VALUES | st.dictionaries(NAMES, VALUES, max_size=2)


@given(
    st.dictionaries(
        st.sampled_from(["rpc", "daemon", "job-manager", "exec", "resource", "x"]),
        VALUES | st.dictionaries(NAMES, ITEMS | st.lists(ITEMS, max_size=2), max_size=2),
        max_size=2,
    )
)
def test_anything_is_either_checked_or_refused(raw: dict[str, Any]) -> None:
    """No value of a client's raises anything but ConfigError."""
    with suppress(ConfigError):
        assert math.isfinite(check(raw, "config.load").config.purge_budget)


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:9464", "127.9.9.9:1", "[::1]:65535", "localhost:80", "unix:{{rundir}}/m"]
)
def test_metrics_are_served_to_this_host_alone(write: Write, bind: str) -> None:
    """On every address that is loopback, and on a socket."""
    assert load(write("a.toml", f'[metrics]\nbind = "{bind}"\n')).config.metrics.bind == bind
