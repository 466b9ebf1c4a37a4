"""job-info on an engine that a test drives (RFC 41)."""

import asyncio
import errno
import json
from typing import Any

import pytest

from jobmgrd.exec.port import Failed, Output
from jobmgrd.services import eventlog_watch
from protocol import payload, signature
from protocol.job_info import WATCH_INITIAL_SENTINEL, WATCH_WAITCREATE, WatchReply
from tests.services.bench import GUEST, OWNER, USERID, Bench, Peer

LOOKUP = "job-info.lookup"
WATCH = "job-info.eventlog-watch"
UPDATES = "job-info.update-watch"


def lines(peer: Peer, matchtag: int) -> list[dict[str, Any]]:
    """The eventlog entries that a watch was sent."""
    return [json.loads(value["event"]) for value in peer.values(matchtag) if value]


def seen(peer: Peer, matchtag: int) -> list[str]:
    """Their names."""
    return [line["name"] for line in lines(peer, matchtag)]


async def lookup(bench: Bench, id: int, *keys: str, flags: int = 0) -> Any:  # noqa: ANN401
    """The values of keys, or errnum and text."""
    return await bench.ask(LOOKUP, {"id": id, "keys": keys, "flags": flags})


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


@pytest.mark.parametrize(
    ("topic", "keys", "errnum", "text"),
    [
        (LOOKUP, {"keys": [], "flags": 4}, errno.EPROTO, "lookup request rejected with invalid"),
        (LOOKUP, {"keys": [1]}, errno.EPROTO, "expected str, got int: key 'keys[0]'"),
        (WATCH, {"flags": 4}, errno.EPROTO, "eventlog-watch request rejected with invalid flag"),
        ("job-info.update-lookup", {"key": "R", "flags": 1}, errno.EPROTO, "invalid flag"),
        ("job-info.update-lookup", {"key": "jobspec"}, errno.EINVAL, "unsupported key specified"),
        (UPDATES, {"key": "R", "flags": 1}, errno.EPROTO, "update-watch request rejected with"),
        (UPDATES, {"key": "eventlog"}, errno.EINVAL, "update-watch unsupported key specified"),
        (WATCH, {"path": "guest.input"}, errno.ENOENT, "guest.input: key not found"),
    ],
)
async def test_requests_that_make_no_sense_are_refused(
    bench: Bench, topic: str, keys: dict[str, Any], errnum: int, text: str
) -> None:
    """With flux-core's errno and words."""
    id = await bench.submit()
    peer = Peer()
    streaming = topic in (WATCH, UPDATES)
    matchtag = bench.send(peer, topic, {"id": id, **keys}, stream=streaming)
    await bench.settle()
    end = peer.end(matchtag)
    assert end is not None
    assert end[0] == errnum
    assert text in end[1]
    assert not bench.router.streams


async def test_R_cannot_be_watched_before_it_is_there(bench: Bench) -> None:  # noqa: N802
    """ENOENT, as flux-core; the stream leaves nothing behind."""
    ids = [await bench.submit() for _ in range(5)]
    peer = Peer()
    matchtag = bench.send(peer, UPDATES, {"id": ids[-1], "key": "R"}, stream=True)
    assert peer.end(matchtag) == (errno.ENOENT, "R: key not found")
    assert not bench.router.streams


async def test_a_watch_is_told_what_was_and_what_comes(bench: Bench) -> None:
    """Until the job is inactive: then ENODATA."""
    id = await bench.started()
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "eventlog", "flags": 0}, stream=True)
    before = seen(peer, matchtag)
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(matchtag))
    assert before[:4] == ["submit", "validate", "depend", "priority"]
    assert seen(peer, matchtag)[-4:] == ["finish", "release", "free", "clean"]
    assert peer.end(matchtag) == (errno.ENODATA, "")
    late = bench.send(peer, WATCH, {"id": id, "path": "eventlog", "flags": 0}, stream=True)
    await bench.until(lambda: peer.end(late))
    assert lines(peer, late) == lines(peer, matchtag)


async def test_the_exec_eventlog_is_what_attach_needs(bench: Bench) -> None:
    """RFC 50; shell.init and shell.start as flux-core's job shell has them (shell/shell.c)."""
    id = await bench.submit(num_tasks=3)
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "guest.exec.eventlog"}, stream=True)
    assert not seen(peer, matchtag)
    await bench.started()
    await bench.until(lambda: id in bench.executor.attempts)
    bench.executor.finish(id, 256)
    await bench.until(lambda: peer.end(matchtag))
    assert seen(peer, matchtag) == ["init", "starting", "complete", "done"]
    assert lines(peer, matchtag)[2]["context"] == {"status": 256}
    other = await bench.started(num_tasks=3)
    matchtag = bench.send(peer, WATCH, {"id": other, "path": "guest.exec.eventlog"}, stream=True)
    bench.executor.finish(other)
    await bench.until(lambda: peer.end(matchtag))
    names = ["init", "starting", "shell.init", "shell.start", "complete", "done"]
    assert seen(peer, matchtag) == names
    init, start = lines(peer, matchtag)[2:4]
    assert init["context"] == {"leader-rank": 0, "size": 1, "service": f"7-shell-f{other + 1}"}
    assert start["context"] == {"taskmap": {"version": 1, "map": [[0, 1, 3, 1]]}}
    kept = (await lookup(bench, other, "guest.exec.eventlog"))["guest.exec.eventlog"]
    assert [json.loads(line) for line in kept.splitlines()] == lines(peer, matchtag)


async def test_a_start_that_failed_is_complete_without_a_shell(bench: Bench) -> None:
    """So that attach goes on to show what there is (job/attach.c)."""
    id = await bench.submit()
    await bench.until(lambda: id in bench.executor.attempts)
    bench.executor.tell(Failed(id, "no such command"))
    await bench.until(lambda: id not in bench.engine.jobs)
    reply = await lookup(bench, id, "guest.exec.eventlog")
    names = [json.loads(line)["name"] for line in reply["guest.exec.eventlog"].splitlines()]
    assert names == ["init", "starting", "complete", "done"]


def write(bench: Bench, id: int, text: bytes, *, eof: bool = False) -> None:
    """Have a job write to both streams."""
    for stream in ("stdout", "stderr"):
        bench.executor.tell(Output(id, 0, stream, text, eof=eof))


async def test_output_ends_with_the_eof_of_every_stream(bench: Bench) -> None:
    """RFC 41: the job may go on for long."""
    id = await bench.started()
    write(bench, id, b'"eof":true')
    peer = Peer()
    early = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    await bench.settle()
    assert peer.end(early) is None
    write(bench, id, b"", eof=True)
    await bench.until(lambda: peer.end(early))
    assert id in bench.engine.jobs
    assert seen(peer, early) == ["header"] + ["data"] * 4
    late = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    await bench.until(lambda: peer.end(late))
    assert lines(peer, late) == lines(peer, early)


async def test_output_of_many_lines_is_sent_in_pages_and_in_order(bench: Bench) -> None:
    """Others are served in between, and nothing that comes meanwhile is lost or told twice."""
    count = 3 * eventlog_watch.PAGE
    id = await bench.started()
    for n in range(count):
        bench.executor.tell(Output(id, 0, "stdout", b"%d\n" % n))
    await bench.settle()
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    await bench.until(lambda: len(peer.of(matchtag)) >= eventlog_watch.PAGE)
    assert len(peer.of(matchtag)) == eventlog_watch.PAGE
    bench.executor.tell(Output(id, 0, "stdout", b"%d\n" % count))
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(matchtag))
    data = [line["context"]["data"] for line in lines(peer, matchtag)[1:]]
    assert data == [f"{n}\n" for n in range(count + 1)]


@pytest.mark.parametrize("turns", range(8))
async def test_output_that_a_commit_carries_meanwhile_is_told_once(
    bench: Bench, turns: int
) -> None:
    """At whatever turn of the loop the watch comes, before, in or after the commit."""
    id = await bench.started()
    bench.executor.tell(Output(id, 0, "stdout", b"hi\n"))
    for _ in range(turns):
        await asyncio.sleep(0)
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    await bench.settle()
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(matchtag))
    assert seen(peer, matchtag) == ["header", "data"]


async def test_waitcreate_waits_until_the_job_ends(bench: Bench) -> None:
    """RFC 41: a job that becomes inactive ends every watch."""
    id = await bench.started()
    peer = Peer()
    keys = {"id": id, "path": "guest.x", "flags": WATCH_WAITCREATE}
    matchtag = bench.send(peer, WATCH, keys, stream=True)
    await bench.settle()
    assert peer.end(matchtag) is None
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(matchtag))
    assert peer.end(matchtag) == (errno.ENODATA, "")
    late = bench.send(peer, WATCH, keys, stream=True)
    await bench.settle()
    assert peer.end(late) == (errno.ENOENT, "guest.x: key not found")


@pytest.mark.parametrize("path", ["eventlog", "guest.exec.eventlog", "guest.output"])
async def test_the_sentinel_says_that_what_was_has_been_sent(bench: Bench, path: str) -> None:
    """flux-core's INITIAL_SENTINEL, which flux job attach --tail asks for; also at the end."""
    id = await bench.started()
    write(bench, id, b"x")
    await bench.settle()
    peer = Peer()
    keys = {"id": id, "path": path, "flags": WATCH_INITIAL_SENTINEL}
    matchtag = bench.send(peer, WATCH, keys, stream=True)
    await bench.settle()
    responses = peer.of(matchtag)
    assert [response.payload is None for response in responses] == [False] * (
        len(responses) - 1
    ) + [True]
    write(bench, id, b"", eof=True)
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)
    late = bench.send(peer, WATCH, keys, stream=True)
    await bench.until(lambda: peer.end(late))
    assert [bool(response.payload) for response in peer.of(late)[-2:]] == [False, False]


async def test_a_line_is_encoded_once_for_all_watchers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 on one job: as many sends, but not as many encodings."""
    id = await bench.started()
    peers = [Peer() for _ in range(500)]
    tags = [bench.send(peer, WATCH, {"id": id, "path": "eventlog"}, stream=True) for peer in peers]
    encode, encoded = payload.encode, []

    def counting(value: WatchReply, format: payload.Format) -> bytes:
        encoded.append(value)
        return encode(value, format)

    monkeypatch.setattr(payload, "encode", counting)
    bench.executor.finish(id)
    await bench.until(lambda: not bench.router.streams)
    assert len(encoded) == 4  # finish, release, free, clean
    first = lines(peers[0], tags[0])
    for peer, tag in zip(peers, tags, strict=True):
        assert lines(peer, tag) == first
        assert peer.end(tag) == (errno.ENODATA, "")


async def test_a_watcher_that_stops_reading_is_given_up(bench: Bench) -> None:
    """Its transport says when; it leaves nothing behind, others go on."""
    id = await bench.started()
    deaf, good = Peer(bound=7), Peer()
    bench.send(deaf, WATCH, {"id": id, "path": "eventlog"}, stream=True)
    bench.send(deaf, UPDATES, {"id": id, "key": "R"}, stream=True)
    matchtag = bench.send(good, WATCH, {"id": id, "path": "eventlog"}, stream=True)
    bench.executor.finish(id)
    await bench.until(lambda: good.end(matchtag))
    assert seen(good, matchtag)[-1] == "clean"
    assert len(deaf.received) == 7
    assert not bench.router.streams


@pytest.mark.parametrize("topic", [WATCH, UPDATES])
async def test_a_stream_can_be_cancelled_and_cancelled_again(bench: Bench, topic: str) -> None:
    """ENODATA once; a cancel of what is gone, or of another's, is nothing."""
    id = await bench.started()
    peer, other = Peer(), Peer()
    keys = {"id": id} | ({"key": "R"} if topic == UPDATES else {"path": "eventlog"})
    matchtag = bench.send(peer, topic, keys, stream=True)
    await bench.settle()
    bench.send(other, f"{topic}-cancel", {"matchtag": matchtag})
    assert peer.end(matchtag) is None
    for _ in range(2):
        bench.send(peer, f"{topic}-cancel", {"matchtag": matchtag})
    assert peer.end(matchtag) == (errno.ENODATA, "")
    told = len(peer.of(matchtag))
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)
    assert len(peer.of(matchtag)) == told


async def test_updates_are_applied_on_request(bench: Bench) -> None:
    """RFC 21 jobspec-update and resource-update; the originals stay as they were."""
    id = await bench.started(duration=60.0)
    job = bench.engine.jobs[id]
    bench.engine.post(job, "jobspec-update", {"attributes.system.duration": 120.0, "version.x": 1})
    bench.engine.post(job, "resource-update", {"expiration": 5000, "nodelist": "no"})
    await bench.settle()
    for ends in (False, True):
        if ends:
            bench.executor.finish(id)
        await bench.settle()
        was = await lookup(bench, id, "jobspec", "R", flags=1)
        now = await lookup(bench, id, "jobspec", "R", flags=3)
        assert was["jobspec"]["attributes"]["system"]["duration"] == 60.0
        assert now["jobspec"]["attributes"]["system"]["duration"] == 120.0
        assert now["jobspec"]["version"] == 1  # a path through a number leads nowhere
        assert was["R"]["execution"]["expiration"] != 5000
        assert now["R"]["execution"] == was["R"]["execution"] | {"expiration": 5000}
        text = await lookup(bench, id, "R", flags=2)
        assert json.loads(text["R"]) == now["R"]
        older = await bench.ask("job-info.update-lookup", {"id": id, "key": "R", "flags": 0})
        assert older == {"id": id, "R": now["R"]}


async def test_an_update_watch_sends_every_version(bench: Bench) -> None:
    """Only versions that differ, to all who watch; it ends with the job."""
    id = await bench.started(duration=60.0)
    peer = Peer()
    spec = bench.send(peer, UPDATES, {"id": id, "key": "jobspec"}, stream=True)
    R = bench.send(peer, UPDATES, {"id": id, "key": "R"}, stream=True)
    job = bench.engine.jobs[id]
    bench.engine.post(job, "memo", {"name": "jobspec-update"})
    for duration in (70.0, 80.0):
        bench.engine.post(job, "jobspec-update", {"attributes.system.duration": duration})
        await bench.settle()
    bench.executor.finish(id)
    await bench.until(lambda: peer.end(spec))
    durations = [
        value["jobspec"]["attributes"]["system"]["duration"] for value in peer.values(spec)
    ]
    assert durations == [60.0, 70.0, 80.0]
    assert len(peer.values(R)) == 1
    assert peer.end(spec) == peer.end(R) == (errno.ENODATA, "")
    late = bench.send(peer, UPDATES, {"id": id, "key": "jobspec"}, stream=True)
    await bench.until(lambda: peer.end(late))
    assert peer.values(late) == peer.values(spec)[-1:]


async def test_what_is_not_durable_is_not_shown(bench: Bench) -> None:
    """Neither a job nor an event of it, whoever asks."""
    id = await bench.started()
    await bench.settle()
    bench.engine.post(bench.engine.jobs[id], "memo", {"x": 1})
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "eventlog"}, cred=OWNER, stream=True)
    assert seen(peer, matchtag)[-1] == "start"
    submitted = asyncio.ensure_future(bench.submit())
    await bench.until(lambda: id + 1 in bench.engine.jobs)
    early = bench.send(peer, UPDATES, {"id": id + 1, "key": "jobspec"}, stream=True)
    assert peer.end(early) == (errno.ENOENT, "invalid job id")
    assert await submitted == id + 1
    await bench.settle()
    assert seen(peer, matchtag)[-1] == "memo"
