"""The calls of a connection, without I/O."""

import pytest

from jobmgrd.client import calls as module
from jobmgrd.client.calls import Calls, Outcome, cancel, checked, is_end, notice, value
from jobmgrd.client.errors import ConnectionLostError
from protocol.errors import PayloadError, RpcError
from protocol.message import (
    FLAG_NORESPONSE,
    FLAG_STREAMING,
    Event,
    Request,
    Response,
    decode,
)
from protocol.payload import encode


def sent(frames: list[bytes]) -> Request:
    """The request that these frames are."""
    request = decode(frames)
    assert isinstance(request, Request)
    return request


def test_a_request_carries_topic_payload_and_a_matchtag() -> None:
    """The frames are an RFC 3 request; an absent payload is an empty map."""
    calls = Calls()
    matchtag, frames = calls.open("a.b", {"k": 1}, print)
    assert sent(frames) == Request("a.b", encode({"k": 1}), matchtag=matchtag)
    assert sent(calls.open("a.b", None, print)[1]) == Request("a.b", encode({}), matchtag=2)


def test_responses_reach_their_calls_in_any_order() -> None:
    """The matchtag decides, not the order."""
    calls = Calls()
    one: list[Outcome] = []
    two: list[Outcome] = []
    first, _ = calls.open("t", None, one.append)
    second, _ = calls.open("t", None, two.append)
    calls.receive(Response("t", encode({"n": 2}), matchtag=second).frames())
    calls.receive(Response("t", encode({"n": 1}), matchtag=first).frames())
    assert value(checked(one[0]), None) == {"n": 1}
    assert value(checked(two[0]), None) == {"n": 2}
    assert len(calls) == 0


@pytest.mark.parametrize(
    "frames",
    [
        Response("t", matchtag=77).frames(),
        Event("t").frames(),
        [b"noise"],
        [],
    ],
    ids=["unknown matchtag", "no response", "no message", "no frames"],
)
def test_what_answers_no_call_is_ignored(frames: list[bytes]) -> None:
    """Late, foreign and broken messages neither raise nor disturb the open call."""
    calls = Calls()
    outcomes: list[Outcome] = []
    calls.open("t", None, outcomes.append)
    calls.receive(frames)
    assert (outcomes, len(calls)) == ([], 1)


def test_a_call_is_answered_once() -> None:
    """A second response of the same matchtag has nobody to go to."""
    calls = Calls()
    outcomes: list[Outcome] = []
    matchtag, _ = calls.open("t", None, outcomes.append)
    for _ in range(2):
        calls.receive(Response("t", matchtag=matchtag).frames())
    assert len(outcomes) == 1


def test_a_streaming_call_lasts_until_its_error() -> None:
    """Any number of answers, then one error that ends it; ENODATA is the regular one (RFC 6)."""
    calls = Calls()
    outcomes: list[Outcome] = []
    matchtag, frames = calls.open("t", None, outcomes.append, streaming=True)
    assert sent(frames).flags == FLAG_STREAMING
    for errnum in (0, 0, 61, 0):
        calls.receive(Response("t", errnum=errnum, matchtag=matchtag).frames())
    assert [is_end(outcome) for outcome in outcomes] == [False, False, True]


def test_matchtags_wrap_past_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 is no matchtag (RFC 6), and a call that stays open keeps its own."""
    monkeypatch.setattr(module, "MATCHTAG_MAX", 4)
    calls = Calls()
    tags = [calls.open("t", None, print)[0] for _ in range(4)]
    assert tags == [1, 2, 3, 4]
    calls.close(3)
    assert calls.open("t", None, print)[0] == 3


def test_closing_says_whether_the_call_was_open() -> None:
    """Only a call that has not ended needs a cancel request."""
    calls = Calls()
    matchtag, _ = calls.open("t", None, print)
    assert calls.close(matchtag)
    assert not calls.close(matchtag)


def test_a_lost_connection_fails_every_call() -> None:
    """Nobody is left waiting, and each gets an exception of its own."""
    calls = Calls()
    outcomes: list[Outcome] = []
    calls.open("t", None, outcomes.append)
    calls.open("t", None, outcomes.append, streaming=True)
    calls.fail(ConnectionLostError("gone"))
    assert [str(outcome) for outcome in outcomes] == ["gone", "gone"]
    assert outcomes[0] is not outcomes[1]
    with pytest.raises(ConnectionLostError):
        checked(outcomes[0])


def test_an_error_response_raises_its_errnum_and_text() -> None:
    """The text for people travels with the errno."""
    with pytest.raises(RpcError, match="no such job") as caught:
        checked(Response("t", b"no such job\0", errnum=2))
    assert caught.value.name == "ENOENT"


def test_a_reply_takes_the_type_asked_for() -> None:
    """And one that does not fit is an error of its own kind."""
    assert value(Response("t", encode({"a": 1})), dict[str, int]) == {"a": 1}
    with pytest.raises(PayloadError):
        value(Response("t", encode({"a": "x"})), dict[str, int])


def test_notices_want_no_response() -> None:
    """A cancel is a notice to the service that streams, and names the stream."""
    assert sent(notice("disconnect")) == Request("disconnect", flags=FLAG_NORESPONSE)
    assert sent(cancel("a.watch", 9)) == Request(
        "a.watch-cancel", encode({"matchtag": 9}), flags=FLAG_NORESPONSE
    )
