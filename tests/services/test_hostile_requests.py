"""Requests that are small and would cost much: each is refused, or costs what it is worth."""

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobmgrd.flow import AHEAD_MAX
from jobmgrd.services import getattr as getattr_
from jobmgrd.services import job_list, job_list_id
from jobmgrd.services.assembly import Parts
from jobmgrd.services.dependency_plan import DEPENDENCIES_MAX
from jobmgrd.services.job_list import GUEST_LISTS_MAX, attribute_names
from protocol.errors import ENODATA
from protocol.job import Flag
from protocol.jobspec import from_command, set_attribute
from protocol.message import FLAG_STREAMING, ROLE_USER, TOPIC_MAX, Cred, Request
from protocol.payload import decode, encode
from scripts.topics import OWNER_CRED, assembled
from tests.services.bench import Executor, Peer, turns_until

GUEST = Cred(99, ROLE_USER)
SIMULATED = {"system.exec.test.run_duration": "1h"}
MANY = 1000


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    """Every service of a daemon that lets guests in."""
    async with assembled({"access": {"allow-guest-user": True}}, Executor) as parts:
        yield parts


async def ask(parts: Parts, topic: str, body: dict[str, Any], cred: Cred = GUEST) -> Any:  # noqa: ANN401
    """The answer's value, or its errnum and text."""
    peer = Peer()
    parts.router.dispatch(Request(topic, encode(body), cred, matchtag=1), peer)
    await parts.engine.commits.drain()
    await turns_until(lambda: peer.received)
    (answer,) = peer.received
    return (answer.errnum, answer.error_text) if answer.errnum else decode(answer.payload)


async def submit(parts: Parts, **attributes: Any) -> Any:  # noqa: ANN401
    """Submit a simulated job with more attributes as a guest; the answer."""
    spec = from_command(["true"], attributes=SIMULATED)
    for key, value in attributes.items():
        set_attribute(spec, f"system.{key}", value)
    return await ask(parts, "job-ingest.submit", {"jobspec": spec})


async def test_what_is_named_many_times_is_told_once(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes and keys: a payload of 4 MiB could ask a million times for a whole eventlog."""
    id = (await submit(parts))["id"]
    told: list[str] = []
    plain = getattr_._attribute

    def attribute(row: Any, attr: str) -> Any:  # noqa: ANN401
        told.append(attr)
        return plain(row, attr)

    monkeypatch.setattr(getattr_, "_attribute", attribute)
    body = {"id": id, "attrs": ["eventlog", "jobspec"] * MANY}
    assert set(await ask(parts, "job-manager.getattr", body)) == {"eventlog", "jobspec"}
    assert told == ["eventlog", "jobspec"]

    read: list[int] = []
    output = parts.store.output

    async def counted(id: int) -> bytes:
        read.append(id)
        return await output(id)

    monkeypatch.setattr(parts.store, "output", counted)
    body = {"id": id, "keys": ["guest.output"] * MANY, "flags": 0}
    await ask(parts, "job-info.lookup", body)
    assert read == [id]


def test_the_attributes_of_a_list_are_told_once_each() -> None:
    """In the order in which they were named first."""
    assert attribute_names(["state", "id", "state"] * MANY) == ["state", "id"]


@pytest.mark.parametrize(
    "constraint",
    [
        {"hostlist": ["h[0-65535]"] * 2},
        {"ranks": ["0-1048575"]},
        {"or": [{"ranks": ["0-65535"]}, {"ranks": ["0"]}]},
        {"or": [{}] * 2000},
        {"properties": ["x" * 300_000]},
    ],
    ids=["hosts", "ranks", "in-all", "operators", "bytes"],
)
async def test_a_constraint_that_stands_for_too_much_is_refused(
    parts: Parts, constraint: dict[str, Any]
) -> None:
    """At the submit, by feasibility.check and in an update; the key is named."""
    expected = "jobspec: attributes.system.constraints: constraint has more than "
    errnum, text = await submit(parts, constraints=constraint)
    assert errnum == errno.EINVAL
    assert text.startswith(expected)
    spec = from_command(["true"], attributes={"system.constraints": constraint})
    errnum, text = await ask(parts, "feasibility.check", {"jobspec": spec})
    assert text.startswith(expected)
    held = from_command(["true"], attributes=SIMULATED)
    id = (await ask(parts, "job-ingest.submit", {"jobspec": held, "urgency": 0}))["id"]
    updates = {"attributes.system.constraints": constraint}
    errnum, text = await ask(parts, "job-manager.update", {"id": id, "updates": updates})
    assert text.startswith(expected)


async def test_dependencies_are_bounded(parts: Parts) -> None:
    """Each may be a look into the store."""
    many = [{"scheme": "afterany", "value": str(n)} for n in range(DEPENDENCIES_MAX + 1)]
    assert await submit(parts, dependencies=many) == (
        errno.EINVAL,
        f"a job may have {DEPENDENCIES_MAX} dependencies at most",
    )
    assert await submit(parts, dependencies=many[1:]) == (
        errno.EINVAL,
        "dependency: afterany: id 1: job not found",
    )


async def test_topics_of_subscriptions_are_bounded(parts: Parts) -> None:
    """They are kept, and so many that [events] subscriptions-per-peer lets a client have."""
    assert await ask(parts, "event.subscribe", {"topic": "x" * TOPIC_MAX}) == {}
    assert await ask(parts, "event.subscribe", {"topic": "x" * (TOPIC_MAX + 1)}) == (
        errno.EMSGSIZE,
        f"topic has more than {TOPIC_MAX} characters",
    )


@pytest.mark.parametrize(
    ("flag", "errnum", "name"),
    [
        (Flag.WAITABLE, errno.EINVAL, "FLUX_JOB_WAITABLE"),
        (Flag.NOVALIDATE, errno.EPERM, "FLUX_JOB_NOVALIDATE"),
    ],
)
async def test_flags_that_are_the_owners(parts: Parts, flag: Flag, errnum: int, name: str) -> None:
    """As in flux-core (job-ingest/job.c)."""
    body = {"jobspec": from_command(["true"], attributes=SIMULATED), "flags": int(flag)}
    text = f"only the instance owner can submit with {name}"
    assert await ask(parts, "job-ingest.submit", body) == (errnum, text)
    assert "id" in await ask(parts, "job-ingest.submit", body, OWNER_CRED)


async def test_who_says_to_leave_and_stays_has_no_more_requests_under_way() -> None:
    """What is answered later still counts; what is released does not, and is not answered."""
    config: dict[str, object] = {"rpc": {"requests-per-peer": 2}}
    async with assembled(config, Executor) as parts:
        spec = from_command(["true"], attributes=SIMULATED)
        id = (await ask(parts, "job-ingest.submit", {"jobspec": spec}, OWNER_CRED))["id"]
        peer = Peer()

        def send(topic: str, matchtag: int, **body: Any) -> None:  # noqa: ANN401
            request = Request(topic, encode(body), OWNER_CRED, matchtag=matchtag)
            parts.router.dispatch(request, peer)

        for matchtag in (1, 2):
            send("job-list.list-id", matchtag, id=id, attrs=[], state=64)
        send("disconnect", 3)
        await turns_until(lambda: peer.received)
        await asyncio.sleep(0)
        for matchtag in (4, 5):
            send("job-manager.raise", matchtag, id=id, type="note", severity=7)
        send("disconnect", 6)
        send("job-manager.raise", 7, id=id, type="note", severity=7)
        await parts.engine.commits.drain()
        await turns_until(lambda: len(peer.received) == 5)
        send("job-manager.raise", 8, id=id, type="note", severity=7)
        await turns_until(lambda: len(peer.received) == 6)
        errnums = {answer.matchtag: answer.errnum for answer in peer.received}
        assert errnums == {3: 0, 4: 0, 5: 0, 6: 0, 7: errno.EAGAIN, 8: 0}


async def test_who_leaves_takes_no_more_than_its_own_waits_along(parts: Parts) -> None:
    """And the places of those are free."""
    job = (await submit(parts))["id"]
    handler: Any = parts.router.table["job-list.list-id"].handler
    service = handler.__self__
    peers = [Peer(), Peer()]
    for peer in peers:
        body = encode({"id": job, "attrs": [], "state": 64})
        for matchtag in (1, 2):
            request = Request("job-list.list-id", body, GUEST, matchtag=matchtag)
            parts.router.dispatch(request, peer)
    assert service.waits == 4
    parts.router.disconnect(peers[0])
    assert service.waits == 2
    cancel = {"id": job, "type": "cancel", "severity": 0}
    assert await ask(parts, "job-manager.raise", cancel) == {}
    await turns_until(lambda: len(peers[1].received) == 2)
    assert (service.waits, peers[0].received) == (0, [])


async def test_guests_leave_waits_for_the_owner(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many connections they have."""
    monkeypatch.setattr(job_list_id, "GUEST_WAITS_MAX", 0)
    wait = {"id": (await submit(parts))["id"], "attrs": [], "state": 64}
    too_many = (errno.EAGAIN, "too many requests wait for jobs")
    assert await ask(parts, "job-list.list-id", wait) == too_many
    peer = Peer()
    parts.router.dispatch(Request("job-list.list-id", encode(wait), OWNER_CRED), peer)
    assert not peer.received


@pytest.fixture
async def small() -> AsyncIterator[Parts]:
    """The same, with little room for the events of a job."""
    config: dict[str, object] = {
        "access": {"allow-guest-user": True},
        "job-manager": {"eventlog-size-per-job": "4k"},
    }
    async with assembled(config, Executor) as parts:
        yield parts


async def test_a_client_adds_no_events_without_end(small: Parts) -> None:
    """Of whatever kind, the owner neither; but it may cancel the job, once."""
    spec = from_command(["true"], attributes=SIMULATED)
    id = (await ask(small, "job-ingest.submit", {"jobspec": spec, "urgency": 0}))["id"]
    memo = {"id": id, "memo": {"pad": "x" * 2000}}
    for _ in range(2):
        assert await ask(small, "job-manager.memo", memo) == {}
    full = (
        errno.ENOSPC,
        "the events of this job have 4096 bytes: the limit of [job-manager] eventlog-size-per-job",
    )
    more = {
        "job-manager.memo": memo,
        "job-manager.raise": {"id": id, "type": "note", "severity": 7},
        "job-manager.urgency": {"id": id, "urgency": 1},
        "job-manager.update": {"id": id, "updates": {"attributes.system.job.name": "other"}},
    }
    for topic, body in more.items():
        for cred in (GUEST, OWNER_CRED):
            assert await ask(small, topic, body, cred) == full, topic
    everything = {"type": "note", "severity": 7, "userid": 99, "states": 127, "dry_run": False}
    reply = await ask(small, "job-manager.raiseall", everything)
    assert (reply["count"], reply["errors"]) == (1, 1)
    assert small.router.guard.refused["eventlog"] == 2 * len(more) + 1
    events = small.engine.jobs[id].entries
    assert not any(b"exception" in line for line in events)
    cancel = {"id": id, "type": "cancel", "severity": 0}
    assert await ask(small, "job-manager.raise", cancel) == {}


async def test_a_running_job_that_is_full_can_be_canceled_once(small: Parts) -> None:
    """It has to end; more of the same is refused."""
    id = (await submit(small))["id"]
    await turns_until(lambda: small.engine.jobs[id].R)
    assert await ask(small, "job-manager.memo", {"id": id, "memo": {"pad": "x" * 5000}}) == {}
    small.engine.jobs[id].end_asked = True  # its tasks do not end
    cancel = {"id": id, "type": "cancel", "severity": 0}
    assert await ask(small, "job-manager.raise", cancel) == {}
    assert (await ask(small, "job-manager.raise", cancel))[0] == errno.ENOSPC


async def test_volatile_memos_are_bounded_too(small: Parts) -> None:
    """They are in memory, whatever the eventlog has."""
    id = (await submit(small))["id"]
    memo = {"id": id, "memo": {"a": "x" * 3000}, "volatile": True}
    assert await ask(small, "job-manager.memo", memo) == {}
    assert (await ask(small, "job-manager.memo", memo))[0] == errno.ENOSPC
    short = {"id": id, "memo": {"a": None}, "volatile": True}
    assert await ask(small, "job-manager.memo", short) == {}
    assert await ask(small, "job-manager.memo", memo) == {}


async def test_the_lists_of_a_guest_are_made_a_few_at_a_time(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds what it has found until it is read; the owner does not wait for a guest's."""
    monkeypatch.setattr(job_list, "PAGE", 1)
    for _ in range(AHEAD_MAX + 1):
        await submit(parts)
    body = encode({"max_entries": 0, "attrs": ["id"]})
    peers = [Peer(reads=False) for _ in range(GUEST_LISTS_MAX + 2)]
    for peer in peers:
        request = Request("job-list.list", body, GUEST, matchtag=1, flags=FLAG_STREAMING)
        parts.router.dispatch(request, peer)
    few, rest = peers[:GUEST_LISTS_MAX], peers[GUEST_LISTS_MAX:]
    await turns_until(lambda: all(len(peer.received) == AHEAD_MAX for peer in few))
    found = await ask(parts, "job-list.list", {"max_entries": 0, "attrs": ["id"]}, OWNER_CRED)
    assert len(found["jobs"]) == AHEAD_MAX + 1
    assert not any(peer.received for peer in rest)
    for peer in peers:
        peer.reads = True
    await turns_until(
        lambda: all([a.errnum for a in peer.received if a.errnum] == [ENODATA] for peer in peers)
    )
