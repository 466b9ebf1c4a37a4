"""Events are kept until they are acknowledged, and the ends among them are known."""

from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.exec.backlog import Backlog


@given(
    st.lists(st.tuples(st.binary(max_size=9), st.booleans()), max_size=30),
    st.lists(st.integers(-1, 40), max_size=5),
)
def test_what_is_not_acknowledged_is_kept(
    events: list[tuple[bytes, bool]], numbers: list[int]
) -> None:
    """Its events, their size and the attempts that end with them, whatever is acknowledged."""
    backlog = Backlog()
    for id_, (event, ends) in enumerate(events):
        backlog.add(event, id_ if ends else None)
    for number in numbers:
        backlog.acknowledge(number)
    first = min(max([0, *numbers]), len(events))
    left = list(enumerate(events))[first:]
    assert backlog.acknowledged == first
    assert list(backlog) == [event for _, (event, _) in left]
    assert len(backlog) == len(left)
    assert backlog.size == sum(len(event) for _, (event, _) in left)
    assert backlog.ended == tuple(id_ for id_, (_, ends) in left if ends)
