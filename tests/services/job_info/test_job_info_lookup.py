"""job-info.lookup (RFC 41): keys, who may see them, what is refused."""

import errno
import json
from typing import Any

import pytest

from protocol import signature
from protocol.job_info import WATCH_WAITCREATE
from tests.services.bench import GUEST, USERID, Bench, Peer
from tests.services.job_info.asking import LOOKUP, UPDATES, WATCH, lookup


async def test_keys_are_text_unless_decoding_is_asked(bench: Bench) -> None:
    """RFC 41: json_decode is for jobspec and R alone."""
    id = await bench.started()
    text = await lookup(bench, id, "jobspec", "R", "eventlog")
    decoded = await lookup(bench, id, "jobspec", "R", "eventlog", flags=1)
    assert json.loads(text["jobspec"]) == decoded["jobspec"]
    assert json.loads(text["R"]) == decoded["R"]
    assert text["eventlog"] == decoded["eventlog"]
    assert text["id"] == id


async def test_J_is_signed_again(bench: Bench) -> None:  # noqa: N802 - RFC 39's name
    """Only its payload is kept; mechanism none needs no more."""
    id = await bench.submit()
    reply = await lookup(bench, id, "J", "jobspec")
    userid, signed = signature.unwrap(reply["J"])
    assert (userid, signed.decode()) == (USERID, reply["jobspec"])


@pytest.mark.parametrize(
    "key", ["R", "guest.input", "guest.output", "guest.exec.eventlog", "x.y", ""]
)
async def test_a_key_that_a_job_does_not_have_is_named(bench: Bench, key: str) -> None:
    """ENOENT, as flux-core (job-info/lookup.c); the whole request fails."""
    id = await bench.submit()
    assert await lookup(bench, id, "jobspec", key) == (errno.ENOENT, f"{key}: key not found")


async def test_never_seen_and_purged_are_told_apart(bench: Bench) -> None:
    """A purged job is answered at once, also to those who would wait."""
    id = await bench.ended()
    await bench.purge(id)
    assert await lookup(bench, 4711, "R") == (errno.ENOENT, "invalid job id")
    errnum, text = await lookup(bench, id, "R")
    assert errnum == errno.ENOENT
    assert text.startswith("invalid job id: it was purged at ")
    peer = Peer()
    topics: list[tuple[str, dict[str, Any]]] = [
        (WATCH, {"path": "guest.x", "flags": WATCH_WAITCREATE}),
        (UPDATES, {"key": "R"}),
    ]
    for topic, keys in topics:
        for job, expected in ((id, text), (4711, "invalid job id")):
            matchtag = bench.send(peer, topic, {"id": job, **keys}, stream=True)
            await bench.settle()
            assert peer.end(matchtag) == (errno.ENOENT, expected)


async def test_others_are_refused(bench: Bench) -> None:
    """RFC 41: the job's owner and the instance's alone."""
    active, ended = await bench.submit(), await bench.ended()
    expected = (errno.EPERM, "access is restricted to job/instance owner")
    for id in (active, ended):
        assert await bench.ask(LOOKUP, {"id": id, "keys": ["J"]}, GUEST) == expected
        peer = Peer()
        for topic, keys in ((WATCH, {"path": "eventlog"}), (UPDATES, {"key": "jobspec"})):
            matchtag = bench.send(peer, topic, {"id": id, **keys}, cred=GUEST, stream=True)
            await bench.settle()
            assert peer.end(matchtag) == expected
            assert not peer.values(matchtag)
