"""Drained nodes: what each mode does, and how they are kept."""

import pytest

from jobmgrd.jobs.drains import Drain, Mode, StateError, decode, drain, encode, shown, undrain
from protocol.errors import FormatError
from protocol.resource import DrainInfo

HOSTS = {0: "a", 1: "b", 2: "c"}
DRAINS = {0: Drain(1.0, "disk"), 1: Drain(2.0)}


def test_a_drained_node_keeps_its_reason_unless_the_mode_says_otherwise() -> None:
    """The time stays, too, until it is forced twice."""
    assert drain({}, [0, 1], "disk", 3.0) == {0: Drain(3.0, "disk"), 1: Drain(3.0, "disk")}
    assert drain(DRAINS, [1, 2], "net", 3.0)[1] == Drain(2.0, "net")
    with pytest.raises(StateError, match=r"^rank 0 already drained$"):
        drain(DRAINS, [0, 1], "net", 3.0)
    assert drain(DRAINS, [0, 1], "net", 3.0, Mode.UPDATE) == {
        0: Drain(1.0, "disk"),
        1: Drain(2.0, "net"),
    }
    assert drain(DRAINS, [0], "net", 3.0, Mode.OVERWRITE)[0] == Drain(1.0, "net")
    assert drain(DRAINS, [0], "net", 3.0, Mode.FORCE_OVERWRITE)[0] == Drain(3.0, "net")


def test_undrain_refuses_nodes_that_are_not_drained_and_names_them() -> None:
    """Unless told to pass over them."""
    assert undrain(DRAINS, [0]) == {1: Drain(2.0)}
    with pytest.raises(StateError, match=r"^ranks 2-3 not drained$"):
        undrain(DRAINS, [0, 2, 3])
    assert undrain(DRAINS, [0, 2], Mode.OVERWRITE) == {1: Drain(2.0)}


def test_nodes_with_the_same_time_and_reason_are_shown_together() -> None:
    """Whole seconds, and an empty reason for none."""
    drains = drain(drain(DRAINS, [2], None, 2.2), [3], "disk", 1.1)
    assert shown(drains) == {"0,3": DrainInfo(1.0, "disk"), "1-2": DrainInfo(2.0, "")}


def test_drains_follow_their_hosts_over_a_new_configuration() -> None:
    """Ranks may move; a host that is gone is not drained any more."""
    data = encode(drain(DRAINS, [2], "x", 5.0), HOSTS)
    assert decode(data, HOSTS) == {0: Drain(1.0, "disk"), 1: Drain(2.0), 2: Drain(5.0, "x")}
    assert decode(data, {0: "c", 1: "a"}) == {0: Drain(5.0, "x"), 1: Drain(1.0, "disk")}
    assert decode(b"", HOSTS) == {}
    with pytest.raises(FormatError, match=r"^drained nodes: "):
        decode(b"[1]", HOSTS)
