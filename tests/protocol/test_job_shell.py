"""What a shell is asked: topics and the bytes of stdin."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import job_shell
from protocol.errors import FormatError
from protocol.job_shell import StdinRequest


@given(st.binary(), st.booleans())
def test_bytes_go_there_and_back(data: bytes, eof: bool) -> None:
    """As text if they are UTF-8, as base64 if not."""
    request = msgspec.convert(job_shell.stdin(data, "0-2", eof=eof), StdinRequest)
    assert (request.raw, request.ranks, request.eof) == (data, (0, 1, 2), eof)


def test_all_ranks_are_none_of_them() -> None:
    """And one may be a number."""
    assert StdinRequest("stdin", "all").ranks is None
    assert StdinRequest("stdin", 3).ranks == (3,)
    with pytest.raises(FormatError):
        _ = StdinRequest("stdin", "x").ranks
    with pytest.raises(FormatError):
        _ = StdinRequest("stdin", "all", "%", "base64").raw


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_a_topic_names_its_job(userid: int, id_: int) -> None:
    """The service's name with a method."""
    topic = job_shell.service(userid, id_) + ".stdin"
    assert job_shell.parse_topic(topic) == (userid, id_, "stdin")


@pytest.mark.parametrize("topic", ["", "stdin", "0-shell-.stdin", "0-shell-fO.stdin", "shell-f1.x"])
def test_other_topics_are_none(topic: str) -> None:
    """Nothing is made of them."""
    assert job_shell.parse_topic(topic) is None
