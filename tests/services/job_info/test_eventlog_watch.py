"""job-info.eventlog-watch (RFC 41): what was, what comes, and the end."""

import asyncio
import errno
import json
from typing import Any

import pytest

from jobmgrd.exec.port import Failed, Output
from jobmgrd.services import eventlog_watch
from protocol import payload
from protocol.job_info import WATCH_INITIAL_SENTINEL, WATCH_WAITCREATE, WatchReply
from tests.services.bench import OWNER, Bench, Peer
from tests.services.job_info.asking import LOOKUP, UPDATES, WATCH, lines, lookup, seen


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


class LateOutput:
    """Has a store read output only once the test says so."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = bench.store.output
        self.now = asyncio.Event()
        monkeypatch.setattr(bench.store, "output", self._output)

    async def _output(self, id: int) -> bytes:
        await self.now.wait()
        return await self._read(id)


async def test_a_watch_that_is_canceled_before_it_was_told_anything_ends_without_a_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if there was news meanwhile, which is not the beginning of the output."""
    id = await bench.started()
    write(bench, id, b"hi\n")
    await bench.settle()
    late = LateOutput(bench, monkeypatch)
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    write(bench, id, b"ho\n")
    await bench.settle()
    bench.send(peer, f"{WATCH}-cancel", {"matchtag": matchtag})
    late.now.set()
    await bench.settle()
    assert peer.end(matchtag) == (errno.ENODATA, "")
    assert bench.router.errors == 0


@pytest.mark.parametrize("ended", [False, True])
async def test_output_that_a_purge_takes_away_meanwhile_is_not_told_as_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    """Of a job that was active, or kept, as the watch came: it ends as that of a purged one."""
    id = await bench.started()
    write(bench, id, b"hi\n")
    await bench.settle()
    late = LateOutput(bench, monkeypatch)
    if ended:
        bench.executor.finish(id)
        await bench.until(lambda: id not in bench.engine.jobs)
    peer = Peer()
    matchtag = bench.send(peer, WATCH, {"id": id, "path": "guest.output"}, stream=True)
    await bench.settle()
    if not ended:
        write(bench, id, b"", eof=True)
        bench.executor.finish(id)
        await bench.until(lambda: id not in bench.engine.jobs)
    await bench.purge(id)
    late.now.set()
    await bench.until(lambda: peer.end(matchtag))
    (answer,) = peer.of(matchtag)
    assert answer.errnum == errno.ENOENT
    assert "it was purged at" in answer.error_text


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
