"""[[resource.config]]: what is refused, and in which words."""

from typing import Any

import pytest

from jobmgrd.config import ConfigError, check
from jobmgrd.jobs.nodes import Hosts


def entries(*rows: dict[str, Any]) -> tuple[Hosts, ...]:
    """What these rows are read as."""
    return check({"resource": {"config": list(rows)}}, "config.load").config.resource.config


def test_hosts_and_numbers_are_read_as_sets() -> None:
    """Hostlists and idsets, as Flux has them."""
    assert entries(
        {"hosts": "a[0-1]", "cores": "0,2-3", "properties": ["x"]}, {"hosts": "a1", "gpus": "1"}
    ) == (Hosts(("a0", "a1"), (0, 2, 3), (), ("x",)), Hosts(("a1",), (), (1,)))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"cores": "0"}, "[resource.config[1]] hosts: key is missing"),
        ({"hosts": "", "cores": "0"}, "hosts: empty hostlist"),
        ({"hosts": "a[3-1]", "cores": "0"}, "range '3-1' runs backwards"),
        ({"hosts": "a", "cores": "3-1"}, "range '3-1' does not ascend"),
        ({"hosts": "a", "cores": 4}, "cores: Expected string, got integer"),
        ({"hosts": "a", "cores": "4000000000"}, "cores: must be <= 1048575"),
        ({"hosts": "a", "cores": "0", "properties": "x"}, "Expected array, got string"),
        ({"hosts": "a", "cores": "0", "properties": ["x|y"]}, "invalid property 'x|y'"),
        ({"hosts": "a[1-2]", "gpus": "0"}, "[resource.config]: a[1-2] assigned no cores"),
        ({"host": "a"}, "host: unknown key (did you mean hosts?)"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_reason(row: dict[str, Any], problem: str) -> None:
    """Table, key, what is wrong, and what was expected."""
    with pytest.raises(ConfigError) as caught:
        entries(row)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("exclude", "problem"),
    [
        ("3", "idset is out of range"),
        ("a[1-3]", "invalid targets: invalid hosts: a3"),
        ("a[3", "invalid targets: "),
        (1, "Expected string, got integer"),
    ],
)
def test_to_exclude_what_is_no_node_is_refused(exclude: object, problem: str) -> None:
    """By name, before anything applies."""
    table = {"config": [{"hosts": "a[0-2]", "cores": "0"}], "exclude": exclude}
    with pytest.raises(ConfigError, match=r"\[resource\] exclude: ") as caught:
        check({"resource": table}, "config.load")
    assert problem in str(caught.value)
