"""Who depends on whom, held against a model that keeps a list of all pairs."""

from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.dependencies import After
from jobmgrd.jobs.dependents import Dependents

TARGETS = st.integers(1, 4)
PAIRS = st.lists(st.tuples(st.integers(10, 16), TARGETS, st.sampled_from(["afterok", "after"])))


def after(target: int, scheme: str) -> After:
    """A dependency on a job."""
    return After(scheme, str(target), target)


@given(PAIRS, st.sets(st.integers(10, 16)), st.sets(st.integers(10, 16)))
def test_both_directions_tell_the_same(
    pairs: list[tuple[int, int, str]], dropped: set[int], ending: set[int]
) -> None:
    """Whatever was added and dropped; what others leave is what nobody else depends on."""
    dependents = Dependents()
    for id, target, scheme in pairs:
        dependents.add(id, after(target, scheme))
    for id in dropped:
        dependents.drop(id)
    left = [pair for pair in pairs if pair[0] not in dropped]
    for target in range(1, 5):
        expected = [(id, after(t, scheme)) for id, t, scheme in left if t == target]
        assert sorted(dependents.on(target), key=str) == sorted(expected, key=str)
        assert (target in dependents.by_target) == bool(expected)
    ending -= dropped
    released = {target for id, target, _ in left if id in ending} - {
        target for id, target, _ in left if id not in ending
    }
    assert set(dependents.left_by(ending)) == released
    for id, _, _ in pairs:
        dependents.drop(id)
    assert not dependents.by_target


def test_a_start_is_told_once_and_only_if_somebody_awaits_it() -> None:
    """So that what a running job writes costs no look at those who wait for its end."""
    dependents = Dependents()
    dependents.add(10, after(1, "afterok"))
    dependents.add(11, after(1, "after"), await_start=True)
    dependents.add(12, after(1, "after"), await_start=True)
    dependents.drop(12)
    assert dependents.started(1) == [(11, after(1, "after"))]
    assert dependents.started(1) == ()
    assert dependents.started(2) == ()
