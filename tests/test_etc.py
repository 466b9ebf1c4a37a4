"""The example configuration and the systemd unit agree with the daemon."""

import re
from collections.abc import Mapping
from configparser import RawConfigParser, SectionProxy
from pathlib import Path
from typing import Any

from jobmgrd.config import Config, default_rundir, default_statedir, load
from jobmgrd.config.schema import Archive
from jobmgrd.config.table import Key, Named, Rows, Table, keys
from jobmgrd.jobs.retention import Limits
from jobmgrd.jobs.rules import Rule
from protocol.job import Result

ETC = Path(__file__).parent.parent / "etc"
EXAMPLE = ETC / "jobmgrd.toml"
SETTING = re.compile(r"^#(?=\[|[a-z-]+ =)", re.MULTILINE)


def uncommented(tmp_path: Path) -> Path:
    """The example with its settings in force."""
    path = tmp_path / "jobmgrd.toml"
    path.write_text(SETTING.sub("", EXAMPLE.read_text()))
    return path


def read_unit() -> SectionProxy:
    """The [Service] section of the unit."""
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ETC / "jobmgrd.service")
    return unit["Service"]


def keys_at(*place: str) -> Mapping[str, Key]:
    """The keys of a table, which may be within another, or one of an array."""
    table: type[Table] = Config
    names = iter(place)
    for name in names:
        value = keys(table)[name].value
        if isinstance(value, Named):
            next(names, None)  # any name has the same keys
        within = value.table if isinstance(value, Rows | Named) else value
        assert isinstance(within, type)
        table = within
    return keys(table)


def assert_shown(shown: Mapping[str, Any], *place: str) -> None:
    """Every key of a table, in the schema's order; those of an array's tables among them all."""
    assert list(shown) == list(keys_at(*place)), place
    for name, key in keys_at(*place).items():
        if isinstance(key.value, Rows):
            rows = shown[name]
            assert {found for row in rows for found in row} == set(keys_at(*place, name))
        elif isinstance(key.value, Named):
            tables = shown[name].values()
            assert {found for table in tables for found in table} == set(keys_at(*place, name))
        elif isinstance(key.value, type):
            assert_shown(shown[name], *place, name)


def test_the_example_as_shipped_sets_nothing() -> None:
    """It may be installed as it is."""
    loaded = load(EXAMPLE)
    assert loaded.raw == {}


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    """Uncommenting every line but the archive's and the rules' changes nothing for root."""
    loaded = load(uncommented(tmp_path))
    assert loaded.warnings == []
    shown, default = loaded.config, Config()
    assert shown.purge_budget == default.purge_budget
    assert shown.daemon.rundir == default_rundir(0, {})
    assert shown.daemon.statedir == default_statedir(0, {})
    for name in ("rpc", "events", "heartbeat", "store", "exec"):
        assert getattr(shown, name) == getattr(default, name), name
    assert (shown.resource.cores, shown.resource.gpus) == (None, 0)
    assert shown.job_manager.limits == default.job_manager.limits
    assert shown.job_manager.tombstone_limit == default.job_manager.tombstone_limit
    assert shown.job_manager.archive == Archive()
    assert shown.daemon.log_level == default.daemon.log_level
    assert shown.daemon.log_format == default.daemon.log_format


def test_the_example_shows_every_key_under_a_comment(tmp_path: Path) -> None:
    """Each key of the schema appears, and the table or the key is explained."""
    assert_shown(load(uncommented(tmp_path)).raw)


def test_the_rules_of_the_example_do_what_it_says(tmp_path: Path) -> None:
    """Failures for 30 days, 100 timeouts, and tests of two users for an hour."""
    day = 86400.0
    assert load(uncommented(tmp_path)).config.job_manager.retention == (
        Rule("failures", results=frozenset({Result.FAILED}), limits=Limits(age=30 * day)),
        Rule("timeouts", results=frozenset({Result.TIMEOUT}), limits=Limits(num=100)),
        Rule("tests", frozenset(), frozenset({"debug"}), frozenset({1000, 1001}), Limits(day / 24)),
    )


def test_the_example_says_what_waits_for_a_restart() -> None:
    """The comment above a key says "restart" exactly if the key needs one."""
    lines = EXAMPLE.read_text().splitlines()
    table, comment = "", ""
    for line in lines:
        if line.startswith("#["):
            table, comment = line.strip("#[]"), ""
        elif line.startswith("# "):
            comment += line
        elif " = " in line:
            name = line[1:].split(" = ")[0]
            assert ("(restart)" in comment) == keys_at(*table.split("."))[name].restart, name
            comment = ""


def test_the_unit_makes_the_directories_that_root_uses() -> None:
    """The unit creates the default directories, for the daemon alone."""
    service = read_unit()
    assert Path("/run") / service["RuntimeDirectory"] == default_rundir(0, {})
    assert Path("/var/lib") / service["StateDirectory"] == default_statedir(0, {})
    assert service["RuntimeDirectoryMode"] == service["StateDirectoryMode"] == "0700"


def test_the_unit_leaves_jobs_what_they_need() -> None:
    """One job's end for want of memory, or its sudo, is not the service's business."""
    service = read_unit()
    assert service["Type"] == "notify"
    assert service["OOMPolicy"] == "continue"
    assert (service["KillMode"], service["RuntimeDirectoryPreserve"]) == ("process", "yes")
    assert not {"NoNewPrivileges", "PrivateTmp", "PrivateDevices", "UMask"} & set(service)
    assert int(service["TimeoutStopSec"]) > Config().exec.kill_timeout
