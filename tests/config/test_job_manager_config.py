"""The table of the job manager: limits, rules, plugins, archive, commands of the site."""

from typing import Any

import pytest

from jobmgrd.config import (
    Config,
    check,
)
from jobmgrd.config.schema import Archive
from jobmgrd.jobs.retention import UNLIMITED, Limits
from jobmgrd.jobs.rules import RULES_MAX, Rule
from jobmgrd.jobs.site_command import SiteCommand
from protocol.job import Result
from tests.config.refusals import refusal


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
