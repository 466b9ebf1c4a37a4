"""Files of configuration: how they are read and merged, and how errors name them."""

from pathlib import Path

import pytest

from jobmgrd.config import (
    Config,
    ConfigError,
    load,
)
from jobmgrd.jobs.retention import Limits
from tests.config.conftest import Write


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nan", "number is not finite: nan"),
        ("[1, {b = -inf}]", "number is not finite: -inf"),
        ("9223372036854775808", "integer beyond 64 bits"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
    ],
)
def test_what_no_client_can_be_told_is_refused_in_unknown_tables_too(
    write: Write, value: str, text: str
) -> None:
    """config.get shows all that was written: with these it failed, or could not be read."""
    path = write("a.toml", f"[site]\na = {value}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: [site")
    assert str(caught.value).endswith(text)


def test_dates_reach_clients_as_strings(write: Write) -> None:
    """The raw object is answered as JSON, which has no dates."""
    assert load(write("a.toml", "[site]\nsince = 2024-01-02\n")).raw == {
        "site": {"since": "2024-01-02"}
    }
