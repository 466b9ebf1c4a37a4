"""Who may ask what: every topic, as owner, admin, owning guest and other guest, in both modes."""

import errno
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Final

import pytest
from msgspec.structs import fields

from jobmgrd.routes import OWNER, Route, Scope
from jobmgrd.services.assembly import Parts
from jobmgrd.store.port import StoreError
from protocol.jobspec import from_command
from protocol.message import FLAG_STREAMING, ROLE_ADMIN, ROLE_OWNER, ROLE_USER, Cred, Request
from protocol.payload import decode, encode
from scripts.topics import BEGIN, PAGE, assembled, rendered, replaced
from tests.asked import ABOUT, LATE, UNSCOPED
from tests.services.bench import Executor, Peer, turns_until

ACTORS: Final = {
    "owner": Cred(1, ROLE_OWNER),
    "admin": Cred(50, ROLE_USER | ROLE_ADMIN),
    "mine": Cred(99, ROLE_USER),  # the jobs of these tests are this guest's
    "other": Cred(98, ROLE_USER),
}
NEVER: Final = 1
"""An id that was never given."""
MODES: Final = {"normal": False, "private": True}
LONG: Final = {"system.exec.test.run_duration": "1h"}


class House:
    """Every service of a daemon, and a running job of a guest."""

    def __init__(self, parts: Parts) -> None:
        self.router = parts.router
        self.parts = parts
        self.job = 0

    async def ask(
        self, who: str, topic: str, body: Mapping[str, Any], *, stream: bool = False
    ) -> tuple[int, str | dict[str, Any]]:
        """The errnum of the first answer, and its text or value."""
        peer = Peer()
        flags = FLAG_STREAMING if stream else 0
        request = Request(topic, encode(body), ACTORS[who], matchtag=1, flags=flags)
        self.router.dispatch(request, peer)
        await turns_until(lambda: peer.received)
        answer = peer.received[0]
        self.router.disconnect(peer)
        return answer.errnum, answer.error_text if answer.errnum else decode(answer.payload)

    async def submit(self, who: str) -> int:
        """Submit a job that runs for long; its id."""
        body = {"jobspec": from_command(["true"], attributes=LONG)}
        errnum, reply = await self.ask(who, "job-ingest.submit", body)
        assert not errnum, reply
        assert isinstance(reply, dict)
        return int(reply["id"])

    async def about(
        self, who: str, route: Route, id: int | None = None
    ) -> tuple[int, str | dict[str, Any]]:
        """Ask something of the guest's job, or of another."""
        body = {"id": self.job if id is None else id, **ABOUT.get(route.topic, {})}
        return await self.ask(who, route.topic, body, stream=bool(route.streaming))

    def routes(self, *scopes: Scope) -> list[Route]:
        """The topics of these scopes that guests reach, without cancels."""
        return [
            route
            for route in self.router.table.values()
            if route.scope in scopes and route.role != OWNER and not route.topic.endswith("-cancel")
        ]


@pytest.fixture(params=list(MODES))
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """A daemon in one of the modes."""
    access = {"allow-guest-user": True, "private-mode": MODES[request.param]}
    async with assembled({"access": access}, Executor) as parts:
        house = House(parts)
        house.job = await house.submit("mine")
        await turns_until(lambda: parts.engine.jobs[house.job].R)
        await parts.engine.commits.drain()
        yield house


def is_private(house: House) -> bool:
    """Whether the mode is private."""
    return house.parts.loaded.config.access.private_mode


async def test_what_is_the_owners_is_nobody_elses(house: House) -> None:
    """Whatever the request says: the role is asked before the payload is read."""
    for route in list(house.router.table.values()):
        if route.role == OWNER:
            for who in ("admin", "mine", "other"):
                errnum, text = await house.ask(who, route.topic, {})
                assert (errnum, text) == (
                    errno.EPERM,
                    f"{route.topic} requires the instance owner's role",
                ), (who, route.topic)


async def test_a_guests_job_is_the_owners_and_the_guests(house: House) -> None:
    """Neither another guest nor an admin looks into it or changes it, in no mode.

    To another guest in private mode, it is as unknown as one that never was.
    """
    for route in house.routes(Scope.OWN):
        if route.topic in UNSCOPED:
            continue
        for who in ("owner", "mine"):
            errnum, text = await house.about(who, route)
            assert errnum == LATE.get(route.topic, 0), (who, route.topic, text)
        assert (await house.about("admin", route))[0] == errno.EPERM, route.topic
        errnum, text = await house.about("other", route)
        if is_private(house):
            assert (errnum, text) == await house.about("other", route, NEVER), route.topic
        else:
            assert errnum == errno.EPERM, (route.topic, text)


async def test_a_job_is_seen_by_those_who_may(house: House) -> None:
    """In private mode, another's job is as unknown as one that never was."""
    listing = {"max_entries": 0, "attrs": ["userid"]}
    for who in ACTORS:
        hidden = is_private(house) and who == "other"
        errnum, reply = await house.about(who, house.router.table["job-list.list-id"])
        assert errnum == (errno.ENOENT if hidden else 0), (who, reply)
        if hidden:
            never = await house.ask(who, "job-list.list-id", {"id": NEVER, "attrs": []})
            assert (errnum, reply) == never
        errnum, reply = await house.ask(who, "job-list.list", listing)
        assert isinstance(reply, dict)
        assert [job["id"] for job in reply["jobs"]] == ([] if hidden else [house.job]), who


async def test_a_history_is_of_who_asks(house: House) -> None:
    """Nobody's but one's own, in either mode."""
    for who in ACTORS:
        _, reply = await house.ask(who, "job-manager.history.get", {"slice": "[:3]"})
        assert reply == {"jobs": [house.job] if who == "mine" else []}, who


async def test_counts_of_all_jobs_are_no_guests_in_private_mode(house: House) -> None:
    """The owner's and the admin's always."""
    assert house.routes(Scope.TOTALS)
    for route in house.routes(Scope.TOTALS):
        body = {"max_entries": 0} if route.topic == "job-manager.list" else {}
        for who in ACTORS:
            errnum, text = await house.ask(who, route.topic, body, stream=bool(route.streaming))
            refused = is_private(house) and who in ("mine", "other")
            assert (errnum == errno.EPERM) == refused, (who, route.topic, text)


async def test_every_topic_that_names_a_job_says_whose(house: House) -> None:
    """A topic that guests reach, with an id in its request, cannot be forgotten here."""
    for route in house.routes(Scope.NONE):
        names = {field.name for field in fields(route.request)} if _is_struct(route) else set()
        assert not names & {"id", "ids", "userid"}, f"{route.topic}: give its Route a scope"
    scoped = {route.topic for route in house.routes(Scope.OWN, Scope.SEEN)}
    assert scoped == set(ABOUT) | UNSCOPED


def _is_struct(route: Route) -> bool:
    return hasattr(route.request, "__struct_fields__")


async def test_what_became_of_a_purged_job_is_not_told_to_guests_in_private_mode(
    house: House,
) -> None:
    """It is as unknown as one that never was; the owner and its user are told when and why."""
    cancel = {"id": house.job, "type": "cancel", "severity": 0}
    assert await house.ask("owner", "job-manager.raise", cancel) == (0, {})
    await turns_until(lambda: house.job not in house.parts.engine.jobs)
    await house.ask("owner", "job-manager.purge-id", {"id": house.job, "force": True})
    _, told = await house.ask("owner", "job-list.list-id", {"id": house.job, "attrs": []})
    assert "purged at" in str(told)
    assert (await house.ask("mine", "job-list.list-id", {"id": house.job, "attrs": []}))[1] == told
    _, said = await house.ask("other", "job-list.list-id", {"id": house.job, "attrs": []})
    assert said == ("unknown job" if is_private(house) else told)


async def test_that_another_guests_job_has_ended_is_not_told_in_private_mode(house: House) -> None:
    """Whatever is asked of it; its own user is told."""
    cancel = {"id": house.job, "type": "cancel", "severity": 0}
    assert await house.ask("owner", "job-manager.raise", cancel) == (0, {})
    await turns_until(lambda: house.job not in house.parts.engine.jobs)
    for route in house.routes(Scope.OWN):
        if route.topic not in UNSCOPED and route.topic in ABOUT and "all" not in route.topic:
            mine = await house.about("mine", route)
            never = await house.about("mine", route, NEVER)
            assert mine != never, route.topic
            if is_private(house):
                assert await house.about("other", route) == never, route.topic


async def test_nothing_is_told_by_a_dependency_on_anothers_job(house: House) -> None:
    """Neither that it is there nor, later, how it ended."""

    async def refusal(id: int) -> str:
        spec = from_command(["true"], attributes=LONG)
        dependency = {"scheme": "afternotok", "value": str(id)}
        spec["attributes"]["system"]["dependencies"] = [dependency]
        errnum, text = await house.ask("other", "job-ingest.submit", {"jobspec": spec})
        assert errnum == errno.EINVAL
        return str(text).replace(str(id), "ID")

    never = await refusal(NEVER)
    for state in ("active", "inactive", "purged"):
        denied = await refusal(house.job)
        if is_private(house):
            assert denied == never, state
        else:
            assert denied == "afternotok: Permission denied for job ID", state
        if state == "active":
            cancel = {"id": house.job, "type": "cancel", "severity": 0}
            await house.ask("owner", "job-manager.raise", cancel)
            await turns_until(lambda: house.job not in house.parts.engine.jobs)
        else:
            await house.ask("owner", "job-manager.purge-id", {"id": house.job, "force": True})


@pytest.mark.parametrize("house", ["private"], indirect=True)
async def test_what_is_hidden_is_not_told_by_a_faster_answer(house: House) -> None:
    """A job in memory is refused no sooner than one that the store has to be asked for."""
    peer = Peer()
    note = {"type": "note", "severity": 7}
    for matchtag, id in enumerate((NEVER, house.job, NEVER, house.job)):
        body = encode({"id": id, **note})
        request = Request("job-manager.raise", body, ACTORS["other"], matchtag=matchtag)
        house.router.dispatch(request, peer)
    assert not peer.received
    await turns_until(lambda: len(peer.received) == 4)
    assert [answer.matchtag for answer in peer.received] == [0, 1, 2, 3]
    assert {(answer.errnum, answer.error_text) for answer in peer.received} == {
        (errno.ENOENT, "unknown job id")
    }


@pytest.mark.parametrize("house", ["private"], indirect=True)
async def test_a_store_that_fails_is_told_whatever_is_hidden(house: House) -> None:
    """Of a job in memory and of one that never was, in the same words; and nothing else fails."""

    async def fail(_id: int) -> None:
        raise StoreError(errno.EIO, "disk I/O error")

    find, conceal = house.parts.store.find, house.router.conceal
    house.parts.store.find = fail  # type: ignore[method-assign, assignment]
    house.router.conceal = partial(fail, 0)
    for topic in ("job-manager.raise", "job-info.eventlog-watch"):
        route = house.router.table[topic]
        for id in (house.job, NEVER):
            assert await house.about("other", route, id) == (errno.EIO, "disk I/O error"), topic
    house.parts.store.find = find  # type: ignore[method-assign]
    house.router.conceal = conceal
    answer = await house.about("other", house.router.table["job-manager.raise"])
    assert answer == (errno.ENOENT, "unknown job id")


async def test_streams_of_guests_end_when_the_mode_becomes_private() -> None:
    """A reload holds for what is under way, too."""
    async with assembled({"access": {"allow-guest-user": True}}) as parts:
        peer = Peer()
        for n, who in enumerate(("owner", "other")):
            topic = "job-list.job-stats"
            request = Request(topic, encode({}), ACTORS[who], matchtag=n, flags=FLAG_STREAMING)
            parts.router.dispatch(request, peer)
        await turns_until(lambda: len(peer.received) == len(("owner", "other")))
        parts.router.configure(private_mode=True)
        assert peer.end(0) is None
        assert peer.end(1) == (errno.EPERM, "job-list.job-stats is not for guests in private mode")


async def test_the_table_for_readers_is_the_routers() -> None:
    """`scripts/topics --write` brings SECURITY.md up to date."""
    text = PAGE.read_text()
    assert text.count(BEGIN) == 1
    async with assembled() as parts:
        assert text == replaced(text, rendered(parts.router)), "run scripts/topics --write"
