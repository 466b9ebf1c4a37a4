"""Configuration: what is read, what is refused and in which words, and what a change means."""

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.config import (
    Config,
    ConfigError,
    check,
    default_rundir,
    default_statedir,
    describe_change,
    expand,
    load,
    restart_required,
)
from jobmgrd.config.schema import Archive, JobManager
from jobmgrd.config.table import keys
from jobmgrd.jobs.retention import UNLIMITED, Limits
from jobmgrd.jobs.rules import RULES_MAX, Rule
from jobmgrd.jobs.site_command import SiteCommand
from protocol.job import Result

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the configuration directory tmp_path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def refusal(raw: dict[str, Any]) -> str:
    """The text with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        check(raw, "config.load")
    return str(caught.value)


def test_without_a_file_everything_has_its_default() -> None:
    """No file is an empty configuration, without warnings."""
    loaded = load(None)
    assert loaded.config == Config()
    assert loaded.raw == {}
    assert loaded.warnings == []


def test_reads_a_file(write: Write) -> None:
    """Durations become seconds, sizes bytes, and the raw object stays as written."""
    path = write(
        "a.toml",
        """
        [heartbeat]
        period = "500ms"
        [job-manager]
        inactive-age-limit = "7d"
        inactive-num-limit = 10000
        [rpc]
        max-message-size = "64k"
        [daemon]
        rundir = "/run/other"
        """,
    )
    loaded = load(path)
    assert loaded.config.heartbeat.period == 0.5
    assert loaded.config.job_manager.limits == Limits(7 * 86400, 10000)
    assert loaded.config.rpc.max_message_size == 65536
    assert loaded.config.daemon.rundir == Path("/run/other")
    assert loaded.raw["heartbeat"] == {"period": "500ms"}


def test_merges_the_tables_of_a_directory(write: Write, tmp_path: Path) -> None:
    """Files of a directory say together what one file could; hidden and other files do not."""
    write("a.toml", "[resource]\ncores = 3\n[site]\na.b = 1\n")
    write("b.toml", "[resource]\ngpus = 2\n[site]\na.c = 2\n")
    write(".#b.toml", "not TOML")
    write("README", "not TOML")
    loaded = load(tmp_path)
    assert loaded.config.resource.cores == 3
    assert loaded.config.resource.gpus == 2
    assert loaded.raw["site"] == {"a": {"b": 1, "c": 2}}


def test_a_key_set_in_two_files_is_refused(write: Write, tmp_path: Path) -> None:
    """The order of files never decides which value wins: the error names both."""
    a = write("a.toml", "[resource]\ncores = 3\n")
    b = write("b.toml", "[resource]\ncores = 3\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{b}: [resource] cores: already set in {a}, expected a key to be set in one file"
    )


def test_rules_in_two_files_are_refused(write: Write, tmp_path: Path) -> None:
    """The order of rules means something, and that of files must not: the error names both."""
    a = write("a.toml", "[[job-manager.retention]]\nname = 'a'\n")
    b = write("b.toml", "[[job-manager.retention]]\nname = 'b'\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{b}: [job-manager] retention: already set in {a}, expected a key to be set in one file"
    )


def test_an_error_in_a_rule_names_the_file_that_is_wrong(write: Write, tmp_path: Path) -> None:
    """As for any table: file, rule, key, what is wrong and what was expected."""
    write("a.toml", "[job-manager.archive]\n")
    b = write("b.toml", "[[job-manager.retention]]\nname = 'a'\nresult = 'fail'\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{b}: [job-manager.retention[a]] result: unknown value 'fail', expected one of "
        '"completed", "failed", "canceled", "timeout"; or an array of such'
    )


def test_a_value_and_a_table_of_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    """A name is a table in all files or in none."""
    write("a.toml", "[resource]\ncores = 3\n")
    write("b.toml", "[resource.cores]\nfast = 3\n")
    with pytest.raises(ConfigError, match="already set in"):
        load(tmp_path)


def test_an_error_names_the_file_that_is_wrong(write: Write, tmp_path: Path) -> None:
    """Among several files, the one with the wrong key is named, with table, key and expectation."""
    write("a.toml", "[heartbeat]\nperiod = '1s'\n")
    b = write("b.toml", "[job-manager]\ninactive-age-limit = 3600\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    error = caught.value
    assert (error.source, error.table, error.key) == (str(b), "job-manager", "inactive-age-limit")
    assert str(error) == (
        f"{b}: [job-manager] inactive-age-limit: Expected string, got integer, "
        'expected a duration such as "12h" or "7d", or "inf" for no limit'
    )


def test_a_syntax_error_has_line_and_column(write: Write) -> None:
    """A TOML error says where an editor should go."""
    path = write("a.toml", "[rpc]\nbind = = 3\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: line 2, column 8: not TOML: ")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing path, an empty directory, a directory named like a file, and bytes are refused."""
    with pytest.raises(ConfigError, match="No such file or directory, expected a TOML file"):
        load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"directory has no \*.toml files"):
        load(tmp_path)
    (tmp_path / "a.toml").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe4'")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 5"):
        load(tmp_path / "latin.toml")


def test_nesting_without_end_is_an_error(write: Write) -> None:
    """A reload of nonsense raises ConfigError and nothing else."""
    with pytest.raises(ConfigError):
        load(write("a.toml", "a = " + "[" * 100_000))


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


def with_rules(*rules: object) -> dict[str, Any]:
    """A configuration of retention rules."""
    return {"job-manager": {"retention": list(rules)}}


@pytest.mark.parametrize(
    ("rule", "place", "problem"),
    [
        ({}, "[2]] name", "key is missing"),
        ({"nmae": "b"}, "[2]] nmae", "unknown key (did you mean name?)"),
        ({"name": ""}, "[2]] name", "name is empty"),
        ({"name": 3}, "[2]] name", "Expected string, got integer"),
        ({"name": "a"}, "[a]] name", "name used twice"),
        ({"name": "default"}, "[default]] name", "reserved name 'default'"),
        ({"name": "pinned"}, "[pinned]] name", "reserved name 'pinned'"),
        ({"name": "b", "results": "failed"}, "[b]] results", "unknown key (did you mean result?)"),
        ({"name": "b", "result": "FAILED"}, "[b]] result", "unknown value 'FAILED'"),
        ({"name": "b", "result": ["failed", 3]}, "[b]] result", "Expected string, got integer"),
        ({"name": "b", "result": []}, "[b]] result", "array is empty"),
        ({"name": "b", "queue": 1}, "[b]] queue", "Expected string, got integer"),
        ({"name": "b", "userid": "root"}, "[b]] userid", "Expected integer, got string"),
        ({"name": "b", "userid": [0, -1]}, "[b]] userid", "must be >= 0"),
        ({"name": "b", "userid": 2**32 - 1}, "[b]] userid", "must be <= 4294967294"),
        ({"name": "b", "age-limit": 60}, "[b]] age-limit", "Expected string, got integer"),
        ({"name": "b", "age-limit": "60x"}, "[b]] age-limit", "invalid FSD"),
        ({"name": "b", "num-limit": -2}, "[b]] num-limit", "must be >= 0"),
        ("b", "[2]]", "Expected table, got string"),
    ],
)
def test_a_wrong_rule_is_refused(rule: object, place: str, problem: str) -> None:
    """The text names the rule by its name, or by its number if it has none."""
    text = refusal(with_rules({"name": "a"}, rule))
    assert text.startswith(f"config.load: [job-manager.retention{place}: {problem}")


@pytest.mark.parametrize(
    ("plugin", "place", "problem"),
    [
        ({}, "[2]] load", "key is missing"),
        ({"load": "a"}, "[a]] load", "load used twice"),
        ({"load": 3}, "[2]] load", "Expected string, got integer"),
        ({"load": "/tmp/x.so"}, "[/tmp/x.so]] load", "no name of a plugin '/tmp/x.so'"),
        ({"load": "a:"}, "[a:]] load", "no name of a plugin 'a:'"),
        ({"load": "b", "conf": 3}, "[b]] conf", "Expected table, got integer"),
        ({"load": "b", "config": {}}, "[b]] config", "unknown key (did you mean conf?)"),
    ],
)
def test_a_wrong_plugin_is_refused(plugin: object, place: str, problem: str) -> None:
    """The text names the plugin by what is loaded, or by its number."""
    text = refusal({"job-manager": {"plugins": [{"load": "a"}, plugin]}})
    assert text.startswith(f"config.load: [job-manager.plugins{place}: {problem}")


def test_rules_are_tables_and_no_more_than_can_be_told_apart() -> None:
    """Single brackets are the likely slip; the class numbers of jobs have room for so many."""
    assert refusal({"job-manager": {"retention": {"name": "a"}}}) == (
        "config.load: [job-manager.retention]: Expected array, got table, "
        "expected tables [[job-manager.retention]]"
    )
    rules = [{"name": f"{n}"} for n in range(RULES_MAX + 1)]
    assert len(check(with_rules(*rules[1:]), "x").config.job_manager.retention) == RULES_MAX
    text = refusal(with_rules(*rules))
    assert text == "config.load: [job-manager.retention]: 100 tables, expected at most 99"


def test_rules_keep_their_order() -> None:
    """The first that matches a job is the job's, so the order written is the order read."""
    rules = with_rules(
        {"name": "z", "result": ["failed", "timeout"], "age-limit": "30d"},
        {"name": "a", "queue": ["debug", ""], "userid": 7, "num-limit": 0},
        {"name": "m"},
    )
    assert check(rules, "x").config.job_manager.retention == (
        Rule("z", frozenset({Result.FAILED, Result.TIMEOUT}), limits=Limits(30 * 86400, UNLIMITED)),
        Rule("a", frozenset(), frozenset({"debug", ""}), frozenset({7}), Limits(UNLIMITED, 0)),
        Rule("m"),
    )


def test_an_archive_is_there_if_its_table_is() -> None:
    """An empty table switches it on with its defaults; no other value does."""
    assert Config().job_manager.archive is None
    assert check({"job-manager": {"archive": {}}}, "x").config.job_manager.archive == Archive(
        "{{statedir}}/archive.sqlite", "sqlite"
    )
    assert refusal({"job-manager": {"archive": True}}) == (
        "config.load: [job-manager.archive]: Expected table, got boolean"
    )


def test_tombstones_have_limits() -> None:
    """A million by default; either limit can be set or taken away."""
    default = Config().job_manager.tombstone_limit
    assert (default.num, default.age) == (1_000_000, UNLIMITED)
    limits = {"num": -1, "age": "90d"}
    changed = check({"job-manager": {"tombstone-limit": limits}}, "x").config.job_manager
    assert (changed.tombstone_limit.num, changed.tombstone_limit.age) == (UNLIMITED, 90 * 86400)


def test_no_limit_can_be_written_down() -> None:
    """An infinite age and -1 jobs are the same as no limit."""
    limits = {"inactive-age-limit": "inf", "inactive-num-limit": UNLIMITED}
    assert check({"job-manager": limits}, "x").config.job_manager.limits.unlimited


def test_a_limit_of_zero_is_a_limit() -> None:
    """Zero keeps nothing; it is not mistaken for unset."""
    limits = {"inactive-age-limit": "0s", "inactive-num-limit": 0}
    assert check({"job-manager": limits}, "x").config.job_manager.limits == Limits(0, 0)


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


def test_dates_reach_clients_as_strings(write: Write) -> None:
    """The raw object is answered as JSON, which has no dates."""
    assert load(write("a.toml", "[site]\nsince = 2024-01-02\n")).raw == {
        "site": {"since": "2024-01-02"}
    }


def test_a_change_is_told_by_dotted_names() -> None:
    """Only what differs is named, and of it what must wait for a restart."""
    new = {
        "heartbeat": {"period": "3s"},
        "resource": {"cores": 4, "gpus": 0},
        "store": {"durability": "os"},
    }
    config = check(new, "x").config
    changed = ["heartbeat.period", "store.durability", "resource.cores"]
    assert describe_change(Config(), config) == changed
    assert restart_required(Config(), config) == ["store.durability", "resource.cores"]
    assert describe_change(config, config) == []


def test_switching_the_archive_waits_for_a_restart() -> None:
    """On or off is a change of the table; within it, of the key. Rules and limits apply at once."""
    off = Config()
    on = check({"job-manager": {"archive": {}}}, "x").config
    moved = check({"job-manager": {"archive": {"path": "/a"}}}, "x").config
    for old, new, changed in [
        (off, on, ["job-manager.archive"]),
        (moved, off, ["job-manager.archive"]),
        (on, moved, ["job-manager.archive.path"]),
    ]:
        assert describe_change(old, new) == restart_required(old, new) == changed
    raw = {"tombstone-limit": {"num": 5}, "retention": [{"name": "a"}]}
    other = check({"job-manager": raw}, "x").config
    changed = ["job-manager.tombstone-limit.num", "job-manager.retention"]
    assert describe_change(off, other) == changed
    assert restart_required(off, other) == []


def test_root_has_the_system_directories() -> None:
    """Root's daemon is the host's, whatever root's environment says."""
    environ = {"XDG_RUNTIME_DIR": "/run/user/0", "XDG_STATE_HOME": "/root/state"}
    assert default_rundir(0, environ) == Path("/run/jobmgrd")
    assert default_statedir(0, environ) == Path("/var/lib/jobmgrd")


def test_users_have_their_own_directories() -> None:
    """XDG variables if they are absolute, then what systemd and the specification say."""
    environ = {"XDG_RUNTIME_DIR": "/run/u", "XDG_STATE_HOME": "/s", "HOME": "/home/u"}
    assert default_rundir(7, environ) == Path("/run/u/jobmgrd")
    assert default_statedir(7, environ) == Path("/s/jobmgrd")
    relative = {"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "", "HOME": "/home/u"}
    assert default_rundir(7, relative) == Path("/run/user/7/jobmgrd")
    assert default_statedir(7, relative) == Path("/home/u/.local/state/jobmgrd")
    with pytest.raises(ConfigError, match="neither XDG_STATE_HOME nor HOME"):
        default_statedir(7, {})


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:9464", "127.9.9.9:1", "[::1]:65535", "localhost:80", "unix:{{rundir}}/m"]
)
def test_metrics_are_served_to_this_host_alone(write: Write, bind: str) -> None:
    """On every address that is loopback, and on a socket."""
    assert load(write("a.toml", f'[metrics]\nbind = "{bind}"\n')).config.metrics.bind == bind


def test_templates_stand_for_the_directories() -> None:
    """The default endpoint and store follow the directories that the command line chose."""
    places = {"rundir": Path("/r"), "statedir": Path("/s")}
    assert expand(Config().rpc.bind[0], **places) == "ipc:///r/rpc"
    assert expand(Config().store.path, **places) == "/s/jobs.sqlite"


def test_a_command_of_the_site_is_switched_on_by_its_table() -> None:
    """The command is required; times are as flux-config-job-manager(5) has them."""
    assert Config().job_manager.prolog is None
    text = refusal({"job-manager": {"prolog": {"timeout": "1m"}}})
    assert text.startswith("config.load: [job-manager.prolog] command: key is missing")
    tables = {
        "prolog": {"command": ["/etc/prolog", "-v"]},
        "epilog": {"command": ["/etc/epilog"], "timeout": "infinity", "kill-timeout": 1.5},
    }
    loaded = check({"job-manager": tables}, "config.load").config.job_manager
    assert loaded.prolog is not None
    assert loaded.prolog.site_command == SiteCommand(
        ("/etc/prolog", "-v"), 1800.0, 60.0, cancel_on_exception=True
    )
    assert loaded.epilog is not None
    assert loaded.epilog.site_command == SiteCommand(("/etc/epilog",), 0.0, 1.5)
