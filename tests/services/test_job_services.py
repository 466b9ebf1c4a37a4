"""Every RPC about one job, with an active, an inactive, a purged and an unknown one; and guests."""

import errno
from typing import Any, NamedTuple

import pytest

from jobmgrd.services.getattr import Getattr
from jobmgrd.services.kill import Kill
from jobmgrd.services.raise_ import Raise
from jobmgrd.services.update import Update
from jobmgrd.services.urgency import Urgency
from jobmgrd.services.wait import Wait
from protocol.job import URGENCY_HOLD
from protocol.message import ROLE_USER, Cred
from tests.services.bench import GUEST, USERID, Bench, Peer

UNKNOWN = 999
ITS_USER = Cred(USERID, ROLE_USER)


class Topic(NamedTuple):
    """An RPC about one job, and how it refuses each kind of job."""

    topic: str
    payload: dict[str, Any]
    unknown: str
    guest: str
    active: str = ""  # how it refuses a pending job; empty: it is answered
    inactive: str = "job is inactive"  # empty: it is answered
    errno_unknown: int = errno.ENOENT
    errno_inactive: int = errno.ENOENT
    errno_purged: int = errno.ENOENT
    owner_only: bool = False


TOPICS = [
    Topic(
        "job-manager.raise",
        {"severity": 7, "type": "note"},
        unknown="unknown job id",
        guest="guests can only raise exceptions on their own jobs",
    ),
    Topic(
        "job-manager.kill",
        {"signum": 15},
        unknown="unknown job id",
        guest="guests may only send signals to their own jobs",
        active="job is not running",
        errno_unknown=errno.EINVAL,
        errno_inactive=errno.EINVAL,
    ),
    Topic(
        "job-manager.urgency",
        {"urgency": 3},
        unknown="unknown job",
        guest="guests can only reprioritize their own jobs",
        errno_unknown=errno.EINVAL,
        errno_inactive=errno.EINVAL,
    ),
    Topic(
        "job-manager.memo",
        {"memo": {"a": 1}},
        unknown="unknown job id",
        guest="guests can only add a memo to their own jobs",
    ),
    Topic(
        "job-manager.update",
        {"updates": {"attributes.system.duration": 60.0}},
        unknown="unknown job id",
        guest="guests may only update their own jobs",
        errno_inactive=errno.EINVAL,
    ),
    Topic(
        "job-manager.getattr",
        {"attrs": ["jobspec"]},
        unknown="unknown job",
        guest="guests can only access their own jobs",
        inactive="",
        errno_unknown=errno.EINVAL,
    ),
    Topic(
        "job-manager.wait",
        {},
        unknown="invalid job id, or job may be inactive and not waitable",
        guest="job-manager.wait requires the instance owner's role",
        active="job was not submitted with FLUX_JOB_WAITABLE",
        inactive="invalid job id, or job may be inactive and not waitable",
        errno_unknown=errno.ECHILD,
        errno_inactive=errno.ECHILD,
        errno_purged=errno.ECHILD,
        owner_only=True,
    ),
]


class Ids(NamedTuple):
    """A job of each kind."""

    active: int
    inactive: int
    purged: int


@pytest.fixture
async def bench() -> Bench:
    """A daemon without transports that serves all of these topics."""
    made = Bench()
    await made.boot()
    for service in (Raise, Kill, Urgency, Getattr):
        made.router.add(service(made.engine, made.store))
    made.router.add(Update(made.engine, made.store, lambda: 2000.0))
    made.router.add(Wait(made.engine, made.store, made.router))
    return made


@pytest.fixture
async def ids(bench: Bench) -> Ids:
    """A held job, one that has ended, and one that is purged."""
    inactive, purged = await bench.ended(), await bench.ended()
    await bench.purge(purged)
    return Ids(await bench.submit(urgency=URGENCY_HOLD), inactive, purged)


def test_the_table_has_every_topic_about_one_job(bench: Bench) -> None:
    """A topic that is served here without a row in the table would go untested."""
    about_one = {
        route.topic
        for route in bench.router.table.values()
        if "id" in getattr(route.request, "__struct_fields__", ())
        and route.topic.startswith("job-manager.")
    }
    assert about_one == {row.topic for row in TOPICS}


@pytest.mark.parametrize("row", TOPICS, ids=lambda row: row.topic)
async def test_an_active_job_is_told_apart(bench: Bench, ids: Ids, row: Topic) -> None:
    """It is answered; or refused for a reason that speaks of an active job."""
    answer = await bench.ask(row.topic, {"id": ids.active, **row.payload})
    if row.active:
        assert answer[1] == row.active
    else:
        assert isinstance(answer, dict)


@pytest.mark.parametrize("row", TOPICS, ids=lambda row: row.topic)
async def test_an_inactive_job_is_told_apart(bench: Bench, ids: Ids, row: Topic) -> None:
    """The text says that the job is known, and has ended."""
    answer = await bench.ask(row.topic, {"id": ids.inactive, **row.payload})
    if not row.inactive:
        assert isinstance(answer, dict)
        return
    errnum, text = answer
    assert errnum == row.errno_inactive
    assert text.startswith(row.inactive)
    assert "inactive" in text.removeprefix(row.unknown)


@pytest.mark.parametrize("row", TOPICS, ids=lambda row: row.topic)
async def test_a_purged_job_is_told_apart(bench: Bench, ids: Ids, row: Topic) -> None:
    """Flux's text for an unknown job, and then when and why it was purged."""
    errnum, text = await bench.ask(row.topic, {"id": ids.purged, **row.payload})
    assert errnum == row.errno_purged
    assert text.startswith(f"{row.unknown}: it was purged at ")
    assert "the job had completed" in text


@pytest.mark.parametrize("row", TOPICS, ids=lambda row: row.topic)
async def test_an_unknown_job_is_told_apart(bench: Bench, ids: Ids, row: Topic) -> None:
    """Flux's text, and nothing else."""
    assert UNKNOWN not in ids
    answer = await bench.ask(row.topic, {"id": UNKNOWN, **row.payload})
    assert answer == (row.errno_unknown, row.unknown)


@pytest.mark.parametrize("row", TOPICS, ids=lambda row: row.topic)
async def test_guests_are_kept_to_their_own_jobs(bench: Bench, ids: Ids, row: Topic) -> None:
    """Another's job is refused and unchanged; the own one is as the owner's."""
    before = bench.engine.jobs[ids.active].eventlog
    request = {"id": ids.active, **row.payload}
    assert await bench.ask(row.topic, request, GUEST) == (errno.EPERM, row.guest)
    assert bench.engine.jobs[ids.active].eventlog == before
    own = await bench.ask(row.topic, request, ITS_USER)
    if row.owner_only:
        assert own == (errno.EPERM, row.guest)
    elif row.active:
        assert own[1] == row.active
    else:
        assert isinstance(own, dict)


async def test_a_volatile_memo_is_shown_while_its_job_is_active(bench: Bench) -> None:
    """Without an event and a commit; others go on top of it, and a restart loses it."""
    id = await bench.started()
    before = bench.store.stats().commits
    note = {"id": id, "memo": {"done": {"percent": 5}, "a": 1}, "volatile": True}
    assert await bench.ask("job-manager.memo", note) == {}
    assert bench.store.stats().commits == before
    await bench.ask("job-manager.memo", {"id": id, "memo": {"done": {"step": 2}, "a": None}})
    shown = {"done": {"percent": 5, "step": 2}}
    assert (await bench.listed(("annotations",)))[id]["annotations"]["user"] == shown
    assert b"percent" not in bench.engine.jobs[id].eventlog
    bench.executor.finish(id)
    await bench.until(lambda: id not in bench.engine.jobs)
    ended = (await bench.listed(("annotations",)))[id]["annotations"]["user"]
    assert ended == {"done": {"step": 2}}


async def test_a_volatile_memo_waits_for_what_came_before_it(bench: Bench) -> None:
    """So that followers learn things in their order; meanwhile the job may have ended."""
    id, peer = await bench.started(), Peer()
    bench.engine.post(bench.engine.jobs[id], "memo", {"a": 1})
    note = {"id": id, "memo": {"a": 2}, "volatile": True}
    matchtag = bench.send(peer, "job-manager.memo", note)
    bench.executor.finish(id)
    await bench.until(lambda: peer.received)
    assert peer.end(matchtag) == (errno.ENOENT, "job is inactive")
