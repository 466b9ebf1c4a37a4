"""job-manager.events-journal on an engine that a test drives (journal.c, protocol/journal.py)."""

import asyncio
import errno
import json
from functools import partial
from typing import Any

import pytest

from jobmgrd import flow
from jobmgrd.services import journal
from jobmgrd.services.journal import PAGE
from jobmgrd.services.journal_window import Window
from protocol.message import FLAG_STREAMING, Request
from tests.services.bench import OWNER, Bench, Peer

TOPIC = "job-manager.events-journal"


class Consumer:
    """One stream of the journal."""

    def __init__(
        self,
        bench: Bench,
        peer: Peer | None = None,
        **keys: Any,  # noqa: ANN401 - a request's
    ) -> None:
        self.peer = peer or Peer()
        self.matchtag = bench.send(self.peer, TOPIC, keys, stream=True)

    @property
    def values(self) -> list[dict[str, Any]]:
        """All responses."""
        return self.peer.values(self.matchtag)

    @property
    def end(self) -> tuple[int, str] | None:
        """How the stream ended."""
        return self.peer.end(self.matchtag)

    @property
    def cursor(self) -> str:
        """The last cursor."""
        return str(next(value["seq"] for value in reversed(self.values) if "seq" in value))

    @property
    def news(self) -> list[dict[str, Any]]:
        """The responses after the sentinel."""
        values = self.values
        return values[values.index(self.sentinel) + 1 :]

    @property
    def sentinel(self) -> dict[str, Any]:
        """The sentinel."""
        return next(value for value in self.values if "told" in value)

    def events(self, id: int) -> list[str]:
        """The names of all events of a job that came."""
        return [
            event["name"] for value in self.values if value["id"] == id for event in value["events"]
        ]


def errnum(consumer: Consumer) -> int:
    """What ended a stream; 0 while it goes on."""
    return consumer.end[0] if consumer.end else 0


async def test_active_jobs_then_the_sentinel_then_news(bench: Bench) -> None:
    """With `full` the inactive ones come first (journal.c)."""
    ended, active = await bench.ended(), await bench.started()
    brief, full = Consumer(bench), Consumer(bench, full=True)
    await bench.settle()
    assert [value["id"] for value in brief.values] == [active, -1]
    assert [value["id"] for value in full.values] == [ended, active, -1]
    assert full.sentinel["told"] == 2
    bench.executor.finish(active)
    await bench.until(lambda: active not in bench.engine.jobs)
    assert [value["id"] for value in full.news] == [active]
    log = (await bench.store.find(active)).eventlog  # type: ignore[union-attr]
    assert full.events(active) == [json.loads(line)["name"] for line in log.splitlines()]


async def test_jobspec_comes_with_submit_and_R_with_alloc(bench: Bench) -> None:  # noqa: N802
    """Redacted: without environment."""
    consumer = Consumer(bench)
    await bench.settle()
    id = await bench.submit(environment={"SECRET": "x"})
    await bench.until(lambda: id in bench.executor.attempts)
    late = Consumer(bench)
    await bench.settle()
    for value in consumer.news:
        names = [event["name"] for event in value["events"]]
        assert ("jobspec" in value) == ("submit" in names)
        assert ("R" in value) == ("alloc" in names)
    specs = [value["jobspec"] for value in (*consumer.news, *late.values) if "jobspec" in value]
    assert len(specs) == 2
    assert specs[0] == specs[1]
    assert "environment" not in specs[0]["attributes"]["system"]


async def test_events_can_be_allowed_and_denied(bench: Bench) -> None:
    """By name; deny wins (journal.c); told of what was, as of news."""
    first = await bench.ended()
    allow = Consumer(bench, full=True, allow={"start": 1, "clean": 1}, deny={"clean": 1})
    deny = Consumer(bench, full=True, deny={"start": 1})
    await bench.settle()
    second = await bench.ended()
    for id in (first, second):
        assert allow.events(id) == ["start"]
        assert "start" not in deny.events(id)
        assert deny.events(id)[-1] == "clean"
    assert all(value["events"] or value["id"] == -1 for value in allow.values)


async def test_a_consumer_goes_on_where_it_was(bench: Bench) -> None:
    """Every news once, whatever came between, purges in their place; then the sentinel."""
    whole = Consumer(bench, purge=True)
    await bench.settle()
    ids = [await bench.ended() for _ in range(3)]
    await bench.purge(*ids[:2])
    await bench.submit()
    await bench.settle()
    for n, value in enumerate(whole.news):
        rest = Consumer(bench, purge=True, since=value["seq"])
        await bench.settle()
        assert rest.values[:-1] == whole.news[n + 1 :]
        assert rest.sentinel["seq"] == whole.cursor
        assert rest.sentinel["told"] == len(rest.values) - 1
    rest = Consumer(bench, purge=True, since=whole.sentinel["seq"])
    await bench.settle()
    assert rest.values[:-1] == whole.news
    purges = [value for value in whole.news if "purge" in value]
    assert [value["purge"]["jobs"] for value in purges] == [ids[:2]]
    assert purges[0] | {"purge": 0, "seq": 0} == {"id": -1, "events": [], "purge": 0, "seq": 0}
    assert whole.news.index(purges[0]) > max(
        n for n, value in enumerate(whole.news) if value["id"] in ids[:2]
    )


async def test_purges_are_for_those_who_ask(bench: Bench) -> None:
    """So that flux-core's consumers never take one for the sentinel."""
    asks, flux = Consumer(bench, purge=True, deny={}), Consumer(bench)
    await bench.settle()
    await bench.purge(await bench.ended())
    await bench.settle()
    assert "purge" in asks.news[-1]
    assert not any("purge" in value for value in flux.values)
    late = Consumer(bench, since=flux.sentinel["seq"])
    await bench.settle()
    assert not any("purge" in value for value in late.values)


async def test_a_purge_announced_again_is_no_news(bench: Bench) -> None:
    """A dead daemon committed it: nobody was told of its jobs by this one."""
    event = await bench.purge(await bench.ended(), announce=False)
    assert event is not None
    await bench.boot()
    consumer = Consumer(bench, full=True, purge=True)
    await bench.settle()
    bench.journal.purged(event)
    assert not consumer.news
    await bench.purge(await bench.ended())
    assert "purge" in consumer.news[-1]


async def test_a_cursor_of_another_daemon_is_told_to_resync(bench: Bench) -> None:
    """A restart makes a new incarnation: never misread, never a gap that nobody sees."""
    consumer = Consumer(bench)
    await bench.ended()
    cursor = consumer.cursor
    await bench.boot()
    await bench.ended()
    stale = Consumer(bench, since=cursor)
    assert errnum(stale) == errno.ESTALE
    assert (stale.end or (0, ""))[1].endswith("resync")
    ahead = Consumer(bench)
    await bench.settle()
    incarnation, _, number = ahead.cursor.partition(".")
    beyond = Consumer(bench, since=f"{incarnation}.{int(number) + 1}")
    assert errnum(beyond) == errno.ESTALE
    assert bench.journal.listeners == 1


@pytest.mark.parametrize("cursor", ["", "x", "x.", "x.-1", ".1.2", "x.²", "x." + "9" * 30])
async def test_what_is_no_cursor_is_refused(bench: Bench, cursor: str) -> None:
    """EINVAL, with what it was."""
    consumer = Consumer(bench, since=cursor)
    assert errnum(consumer) == errno.EINVAL
    assert repr(cursor) in (consumer.end or (0, ""))[1]


async def test_a_cursor_before_the_window_is_told_to_resync() -> None:
    """The window is bounded; the text says where it begins."""
    bench = Bench(window=partial(Window, records_max=3))
    await bench.boot()
    consumer = Consumer(bench)
    await bench.settle()
    first = consumer.sentinel["seq"]
    await bench.ended()
    await bench.ended()
    stale = Consumer(bench, since=first)
    assert errnum(stale) == errno.ESTALE
    kept = Consumer(bench, since=consumer.news[-4]["seq"])
    await bench.settle()
    assert kept.values[:-1] == consumer.news[-3:]


async def test_a_long_past_is_told_in_pages(bench: Bench) -> None:
    """Others are served in between; what happens meanwhile is told once."""
    ids = [await bench.ended() for _ in range(PAGE + 20)]
    running = await bench.started()
    consumer = Consumer(bench, full=True, purge=True)
    await bench.until(lambda: len(consumer.peer.received) >= PAGE)
    assert len(consumer.peer.received) < len(ids)
    bench.executor.finish(running)
    late = await bench.ended()
    await bench.purge(ids[-1])
    await bench.settle()
    assert consumer.sentinel
    for id in (*ids, running, late):
        names = consumer.events(id)
        assert names[0] == "submit"
        assert names[-1] == "clean"
        assert len(set(names)) == len(names)
    assert [value["purge"]["jobs"] for value in consumer.values if "purge" in value] == [[ids[-1]]]


async def test_a_job_that_ends_just_then_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the store already, and the engine has not let it go yet."""
    id = await bench.started()
    recent = bench.store.recent

    async def just_then(limit: int) -> Any:  # noqa: ANN401 - as the store's
        await bench.until(lambda: id in bench.store._inactive)
        assert id in bench.engine.jobs
        return await recent(limit)

    monkeypatch.setattr(bench.store, "recent", just_then)
    consumer = Consumer(bench, full=True)
    bench.executor.finish(id)
    await bench.settle()
    names = consumer.events(id)
    assert names[-1] == "clean"
    assert len(set(names)) == len(names)


async def test_who_is_told_the_past_too_slowly_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """News wait for it in the window alone, which moves on: ESTALE, and nothing is kept."""
    bench = Bench(window=partial(Window, records_max=2))
    await bench.boot()
    for _ in range(PAGE):
        await bench.ended()
    recent, second_page = bench.store.recent, asyncio.Event()

    async def slow(limit: int, *place: Any) -> Any:  # noqa: ANN401 - as the store's
        if place:
            await second_page.wait()
        return await recent(limit, *place)

    monkeypatch.setattr(bench.store, "recent", slow)
    consumer = Consumer(bench, full=True)
    await bench.until(lambda: len(consumer.peer.received) == PAGE)
    await bench.ended()
    assert not errnum(consumer)
    second_page.set()
    await bench.settle()
    assert errnum(consumer) == errno.ESTALE
    assert len(consumer.peer.received) == PAGE + 1
    assert not bench.journal.listeners


@pytest.mark.parametrize("key", ["full", "since"])
async def test_the_past_is_told_as_fast_as_it_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A few pages wait for who does not read, not all of them; none is lost."""
    monkeypatch.setattr(journal, "PAGE", 2)
    monkeypatch.setattr(flow, "_POLL_SECONDS", (0, 0))
    early = Consumer(bench)
    await bench.settle()
    since = early.cursor
    ids = [await bench.ended() for _ in range(20)]
    deaf = Peer(reads=False)
    consumer = Consumer(bench, deaf, **{key: since if key == "since" else True})
    await bench.settle()
    assert len(deaf.received) == 2 * flow.AHEAD_MAX
    deaf.reads = True
    await bench.until(lambda: "told" in consumer.values[-1])
    assert {value["id"] for value in consumer.values} == {*ids, -1}


async def test_a_consumer_that_stops_reading_is_given_up(bench: Bench) -> None:
    """By its transport; the journal goes on for others."""
    deaf = Peer(bound=3)
    request = Request(TOPIC, None, OWNER, matchtag=1, flags=FLAG_STREAMING)
    bench.router.dispatch(request, deaf)
    consumer = Consumer(bench)
    await bench.settle()
    id = await bench.ended()
    assert bench.journal.listeners == 1
    assert consumer.events(id)[-1] == "clean"


@pytest.mark.parametrize("full", [False, True])
async def test_leaving_early_is_leaving(bench: Bench, full: bool) -> None:
    """Before anything was told, or after; a cancel of what is gone is nothing."""
    for _ in range(3):
        await bench.ended()
    consumer = Consumer(bench, full=full)
    for _ in range(2):
        bench.send(consumer.peer, f"{TOPIC}-cancel", {"matchtag": consumer.matchtag})
    await bench.settle()
    assert consumer.end == (errno.ENODATA, "")
    assert not consumer.values
    assert not bench.journal.listeners


async def test_news_are_encoded_once_for_all_consumers(bench: Bench) -> None:
    """The very same bytes go to everybody without a filter."""
    consumers = [Consumer(bench) for _ in range(3)]
    await bench.settle()
    await bench.ended()
    first, *others = [
        [response.payload for response in consumer.peer.received[1:]] for consumer in consumers
    ]
    assert first
    for other in others:
        assert all(a is b for a, b in zip(first, other, strict=True))


async def test_json_is_answered_in_json(bench: Bench) -> None:
    """With the same values."""
    peer, consumer = Peer(), Consumer(bench, purge=True)
    body = b'{"purge":true}\0'
    bench.router.dispatch(Request(TOPIC, body, OWNER, matchtag=1, flags=FLAG_STREAMING), peer)
    await bench.settle()
    await bench.purge(await bench.ended())
    await bench.settle()
    assert all((response.payload or b"").endswith(b"}\0") for response in peer.received)
    assert peer.values(1) == consumer.values
    assert bench.journal.events == len(consumer.events(1))
