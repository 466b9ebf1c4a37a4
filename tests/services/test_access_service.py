"""Who may ask what: every topic, as owner, admin, owning guest and other guest, in both modes."""

import errno
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import pytest
from msgspec.structs import fields

from jobmgrd.router import OWNER, Route, Scope
from jobmgrd.services.assembly import Parts
from protocol.jobspec import from_command
from protocol.message import FLAG_STREAMING, ROLE_ADMIN, ROLE_OWNER, ROLE_USER, Cred, Request
from protocol.payload import decode, encode
from scripts.topics import BEGIN, PAGE, assembled, rendered, replaced
from tests.services.bench import Executor, Peer, turns_until

ACTORS: Final = {
    "owner": Cred(1, ROLE_OWNER),
    "admin": Cred(50, ROLE_USER | ROLE_ADMIN),
    "mine": Cred(99, ROLE_USER),  # the jobs of these tests are this guest's
    "other": Cred(98, ROLE_USER),
}
MODES: Final = {"normal": False, "private": True}
LONG: Final = {"system.exec.test.run_duration": "1h"}

ABOUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "job-info.eventlog-watch": {"path": "eventlog", "flags": 0},
    "job-info.lookup": {"keys": ["R"], "flags": 0},
    "job-info.update-lookup": {"key": "R", "flags": 0},
    "job-info.update-watch": {"key": "R", "flags": 0},
    "job-list.list-id": {"attrs": ["userid"]},
    "job-manager.getattr": {"attrs": ["jobspec"]},
    "job-manager.kill": {"signum": 10},
    "job-manager.killall": {"signum": 10, "userid": 99, "dry_run": True},
    "job-manager.memo": {"memo": {"key": "value"}},
    "job-manager.raise": {"type": "note", "severity": 7},
    "job-manager.raiseall": {
        "type": "note", "severity": 7, "userid": 99, "states": 127, "dry_run": True
    },
    "job-manager.update": {"updates": {"attributes.system.job.name": "other"}},
    "job-manager.urgency": {"urgency": 8},
}  # fmt: skip
"""What a request about a job says besides its id."""

LATE: Final = {"job-manager.urgency": errno.EINVAL}
"""What is answered those who may, because the job runs already."""

UNSCOPED: Final = frozenset({"job-ingest.submit", "job-list.list", "job-manager.history.get"})
"""Topics with a scope whose requests name no job."""


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

    async def about(self, who: str, route: Route) -> tuple[int, str | dict[str, Any]]:
        """Ask something of the guest's job."""
        body = {"id": self.job, **ABOUT.get(route.topic, {})}
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
    """Neither another guest nor an admin looks into it or changes it, in no mode."""
    for route in house.routes(Scope.OWN):
        if route.topic in UNSCOPED:
            continue
        for who in ("owner", "mine"):
            errnum, text = await house.about(who, route)
            assert errnum == LATE.get(route.topic, 0), (who, route.topic, text)
        for who in ("admin", "other"):
            errnum, text = await house.about(who, route)
            assert errnum == errno.EPERM, (who, route.topic, text)


async def test_a_job_is_seen_by_those_who_may(house: House) -> None:
    """In private mode, another's job is as unknown as one that never was."""
    listing = {"max_entries": 0, "attrs": ["userid"]}
    for who in ACTORS:
        hidden = is_private(house) and who == "other"
        errnum, reply = await house.about(who, house.router.table["job-list.list-id"])
        assert errnum == (errno.ENOENT if hidden else 0), (who, reply)
        if hidden:
            never = await house.ask(who, "job-list.list-id", {"id": 1, "attrs": []})
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
    """It is as unknown as one that never was; the owner is told when and why it went."""
    cancel = {"id": house.job, "type": "cancel", "severity": 0}
    assert await house.ask("owner", "job-manager.raise", cancel) == (0, {})
    await turns_until(lambda: house.job not in house.parts.engine.jobs)
    await house.ask("owner", "job-manager.purge-id", {"id": house.job, "force": True})
    _, told = await house.ask("owner", "job-list.list-id", {"id": house.job, "attrs": []})
    assert "purged at" in str(told)
    _, said = await house.ask("other", "job-list.list-id", {"id": house.job, "attrs": []})
    assert said == ("unknown job" if is_private(house) else told)


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
