"""Counting what a peer has not read."""

from jobmgrd.transport.unread import Unread

LIMIT = 100


def test_there_is_room_until_the_limit_and_again_when_half_is_read() -> None:
    """In between, requests are refused unseen: their answers would find no room either."""
    unread, gone = Unread(), [False] * 4
    for n in range(4):
        assert unread.has_room(25, LIMIT)
        unread.add(lambda n=n: gone[n], 25)  # type: ignore[misc]
    assert not unread.is_full(LIMIT)
    assert not unread.has_room(25, LIMIT)
    gone[0] = True
    assert unread.is_full(LIMIT)
    assert unread.settle() == 75
    gone[1] = True
    assert not unread.is_full(LIMIT)
    assert unread.has_room(50, LIMIT)


def test_a_single_answer_is_always_sent() -> None:
    """Or a peer that reads could never have one that is larger than the limit."""
    unread = Unread()
    assert unread.has_room(1000, LIMIT)
    unread.add(lambda: True, 1000)
    assert unread.has_room(1000, LIMIT)
    assert unread.settle() == 0


def test_what_was_sent_later_is_counted_until_all_before_it_has_gone() -> None:
    """A connection is read in order."""
    unread = Unread()
    unread.add(lambda: False, 10)
    unread.add(lambda: True, 20)
    assert unread.settle() == 30
