"""Events without I/O: readiness and gaps."""

import pytest

from jobmgrd.client.events import Event, Feed
from protocol import message
from protocol.errors import PayloadError
from protocol.events import READY
from protocol.payload import encode


def frames(topic: str, sequence: int) -> list[bytes]:
    """An event as the publisher sends it."""
    return message.Event(topic, encode({"n": sequence}), sequence).frames()


def confirmed(feed: Feed, sequence: int) -> Feed:
    """The feed after the publisher answered its last subscription."""
    feed.receive(message.Event(feed.prefixes[-1].decode(), sequence=sequence).frames())
    return feed


def test_the_confirmation_is_subscribed_to_last() -> None:
    """Subscriptions take effect in order, so the last one vouches for all."""
    feed = Feed(["a", "b"])
    assert feed.prefixes[:-1] == [b"a", b"b"]
    assert feed.prefixes[-1].startswith(READY.encode())
    assert not feed.ready
    assert confirmed(feed, 3).ready


def test_no_topic_means_everything() -> None:
    """The empty prefix matches every event."""
    assert Feed([]).prefixes[0] == b""


def test_confirmations_of_others_are_neither_events_nor_ours() -> None:
    """A subscriber of everything sees them come by."""
    feed = Feed([])
    assert feed.receive(message.Event(f"{READY}other", sequence=1).frames()) is None
    assert not feed.ready


def test_gaps_are_counted_from_the_confirmation_on() -> None:
    """The confirmation tells the last sequence; confirmations of others do not count."""
    feed = confirmed(Feed([]), 10)
    assert feed.receive(frames("a", 11)) == Event("a", {"n": 11}, 11, missed=0)
    feed.receive(message.Event(f"{READY}other", sequence=13).frames())
    assert feed.receive(frames("a", 14)) == Event("a", {"n": 14}, 14, missed=2)


def test_the_sequence_wraps_at_32_bits() -> None:
    """The header's field is an unsigned 32 bit number (RFC 3)."""
    event = confirmed(Feed([]), 0xFFFFFFFF).receive(frames("a", 0))
    assert event is not None
    assert event.missed == 0


def test_a_filtered_feed_knows_no_gaps() -> None:
    """Sequences jump by what other topics' events took."""
    event = confirmed(Feed(["a"]), 10).receive(frames("a", 20))
    assert event is not None
    assert event.missed == 0


@pytest.mark.parametrize("noise", [[b"x"], message.Request("a").frames()])
def test_what_is_no_event_is_ignored(noise: list[bytes]) -> None:
    """Broken frames and other messages end nothing."""
    assert Feed([]).receive(noise) is None


def test_an_event_that_does_not_decode_is_an_error() -> None:
    """Its reader is told instead of missing it silently."""
    with pytest.raises(PayloadError):
        Feed([]).receive(message.Event("a", b"\xff").frames())
