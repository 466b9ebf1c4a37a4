"""JobCache: what a follower knows, from the journal's responses alone."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.client.job_cache import Anomaly, Change, JobCache, StreamGapError
from protocol.eventlog import Entry
from protocol.events import PurgeEvent
from protocol.job import Result, State
from protocol.jobspec import from_command
from protocol.journal import JournalReply

SPEC = from_command(["true"])
SUBMIT = Entry(1.0, "submit", {"userid": 7, "urgency": 16, "flags": 0, "version": 1})


def ending(t: float) -> list[Entry]:
    """What happens to a job that is cancelled before it started."""
    cancel = {"type": "cancel", "severity": 0, "note": ""}
    return [Entry(t, "validate"), Entry(t, "exception", cancel), Entry(t, "clean")]


def told(id: int, *events: Entry) -> JournalReply:
    """A job as it is."""
    return JournalReply(id, [SUBMIT, *events], jobspec=SPEC)


def news(n: int, id: int, *events: Entry, **keys: Any) -> JournalReply:  # noqa: ANN401
    """One of the news."""
    return JournalReply(id, events, seq=f"x.{n}", **keys)


def purge(n: int, *jobs: int) -> JournalReply:
    """A purge."""
    return JournalReply(-1, (), seq=f"x.{n}", purge=PurgeEvent(jobs, 1, 1.0, "test", 0))


def sentinel(n: int, told: int) -> JournalReply:
    """The sentinel."""
    return JournalReply(-1, (), seq=f"x.{n}", told=told)


def filled(*replies: JournalReply, **options: Any) -> tuple[JobCache, list[Anomaly]]:  # noqa: ANN401
    """A cache that was told these jobs, up to news 10, and what it reports."""
    anomalies: list[Anomaly] = []
    cache = JobCache(on_anomaly=anomalies.append, **options)
    cache.begin()
    for reply in (*replies, sentinel(10, len(replies))):
        cache.apply(reply)
    return cache, anomalies


def test_it_begins_with_everything_and_goes_on_from_there() -> None:
    """`since` once it is in step."""
    cache = JobCache()
    request = cache.begin()
    assert (request.full, request.purge, request.since) == (True, True, None)
    cache.apply(told(1))
    assert cache.begin() == request
    cache.apply(sentinel(10, 0))
    cache.apply(news(11, 2, SUBMIT, jobspec=SPEC))
    request = cache.begin()
    assert (request.full, request.purge, request.since) == (False, True, "x.11")
    cache.resync()
    assert cache.begin().full
    assert cache.stats.resyncs == 1


def test_a_job_is_added_changed_and_purged() -> None:
    """Each change is told once it is so; attributes are job-list's."""
    cache, _ = filled()
    assert cache.apply(news(11, 1, SUBMIT, jobspec=SPEC)) == [Change("added", 1)]
    assert cache[1]["state"] == State.NEW
    assert cache.apply(news(12, 1, *ending(5.0))) == [Change("changed", 1)]
    expected = {"id": 1, "userid": 7, "t_inactive": 5.0, "name": "true"}
    assert {name: cache[1][name] for name in expected} == expected
    assert cache.stats.results == {Result.CANCELED: 1}
    assert cache.apply(purge(13, 1)) == [Change("purged", 1)]
    assert (len(cache), dict(cache.stats.states), cache.stats.purged) == (0, {}, 1)


def test_news_that_were_heard_are_passed_over() -> None:
    """A number is applied once."""
    cache, _ = filled()
    reply = news(11, 1, SUBMIT, jobspec=SPEC)
    assert cache.apply(reply)
    assert not cache.apply(reply)


def test_what_is_missing_is_noticed() -> None:
    """Between news, before the sentinel of a catch-up, and in what was told of everything."""
    cache, _ = filled()
    with pytest.raises(StreamGapError):
        cache.apply(news(12, 1, SUBMIT, jobspec=SPEC))
    assert cache.begin().since == "x.10"
    with pytest.raises(StreamGapError):
        cache.apply(sentinel(11, 1))
    assert cache.begin().since == "x.10"
    cache.resync()
    cache.begin()
    with pytest.raises(StreamGapError):
        cache.apply(sentinel(10, 1))
    assert not cache.synced


def test_a_purge_that_cannot_be_is_ignored_and_reported() -> None:
    """Of an active job, or of one that was never seen; others of the batch go."""
    cache, anomalies = filled(told(1), told(2, *ending(2.0)))
    assert cache.apply(purge(11, 1, 2, 3)) == [Change("purged", 2)]
    assert list(cache) == [1]
    assert anomalies == [
        Anomaly("purge of an active job", 1, "x.11"),
        Anomaly("purge of an unknown job", 3, "x.11"),
    ]
    assert cache.stats.anomalies == 2


def test_events_of_an_unknown_job_are_ignored_and_reported() -> None:
    """A job that one cannot know the beginning of."""
    cache, anomalies = filled()
    assert not cache.apply(news(11, 4, Entry(1.0, "memo", {"x": 1})))
    assert anomalies == [Anomaly("unknown job", 4, "x.11")]


def test_a_resync_removes_what_is_gone_and_keeps_the_rest() -> None:
    """Until it is complete, the cache is what it was."""
    cache, _ = filled(told(1), told(2, *ending(2.0)), told(3, *ending(3.0)))
    cache.resync()
    cache.begin()
    assert cache.apply(told(1, *ending(4.0))) == [Change("changed", 1)]
    assert sorted(cache) == [1, 2, 3]
    assert sorted(change.id for change in cache.apply(sentinel(20, 1))) == [2, 3]
    assert list(cache) == [1]
    assert cache.stats.states == {State.INACTIVE: 1}


def test_purges_while_everything_is_told_are_no_anomaly() -> None:
    """The job went before its turn came."""
    cache, anomalies = filled(told(1, *ending(2.0)), purge(10, 1, 99))
    assert not cache
    assert not anomalies


@given(
    ends=st.lists(st.integers(1, 50), unique=True, max_size=30),
    limit=st.integers(0, 10),
    data=st.data(),
)
def test_the_last_to_end_are_kept(ends: Sequence[int], limit: int, data: st.DataObject) -> None:
    """In whatever order they are told; purges of those that were let go are no anomaly."""
    jobs = [told(t, *ending(float(t))) for t in ends]
    cache, anomalies = filled(*jobs, max_inactive=limit)
    assert set(cache) == set(sorted(ends)[-limit:] if limit else ())
    assert cache.stats.evicted == max(0, len(ends) - limit)
    gone = data.draw(st.lists(st.sampled_from(ends), unique=True)) if ends else []
    cache.apply(purge(11, *gone))
    assert not anomalies
    assert cache.stats.states.get(State.INACTIVE, 0) == len(cache)
    assert not set(cache) & set(gone)


def test_places_of_purged_jobs_are_not_kept_for_ever() -> None:
    """Memory depends on the jobs that are there."""
    cache, _ = filled(max_inactive=10)
    for n in range(6000):
        job = n % 5 + 10 * n
        cache.apply(news(11 + 2 * n, job, SUBMIT, *ending(float(n + 1)), jobspec=SPEC))
        cache.apply(purge(12 + 2 * n, job))
    assert not cache
    assert len(cache._ends) < 2000
