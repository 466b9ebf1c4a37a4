"""Headers that lie: on every topic, the answer is the one to who really asks.

Each topic of the router's table is asked as owner, admin, the guest whose job it is about, and
another guest, over each transport that carries them: by key over tcp, and by the kernel's word over
the local socket. Honest requests are answered as SECURITY.md says; the same with a header that
claims another user, another role or both are answered the same.
"""

import asyncio
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pytest
import zmq

from jobmgrd.client import BlockingClient
from jobmgrd.routes import Route, Scope
from protocol.errors import RpcError
from protocol.job_shell import service
from protocol.jobspec import from_command
from protocol.message import (
    FLAG_STREAMING,
    ROLE_ADMIN,
    ROLE_LOCAL,
    ROLE_OWNER,
    ROLE_USER,
    UNKNOWN,
    Cred,
)
from scripts.topics import assembled
from tests.asked import ABOUT, LATE, UNSCOPED, said_of, table
from tests.conftest import DaemonProcess
from tests.e2e.curve_site import Site
from tests.e2e.raw_clients import BY_KEY_OR_KERNEL, RawClient, acting_as, may_act_as
from tests.local_client import EVENT, LocalClient, message

OWNER: Final = os.getuid()
ADMIN, MINE, OTHER = 4241, 4242, 4243
ACTORS: Final = {"owner": OWNER, "admin": ADMIN, "mine": MINE, "other": OTHER}
CLAIMS: Final = (
    Cred(0, ROLE_USER),
    Cred(OWNER, ROLE_USER),
    Cred(MINE, ROLE_USER),
    Cred(2**32 - 1, ROLE_OWNER),
    Cred(0, ROLE_OWNER | ROLE_ADMIN | ROLE_LOCAL),
    Cred(OWNER, ROLE_OWNER | ROLE_USER),
)
ACCESS: Final = f"""allow-guest-user = true
private-mode = {{}}
admins = [{ADMIN}]
"""
REFUSED: Final = (errno.EPERM, errno.ENOENT)
NEVER: Final = 1
NOT_SERVED: Final = ("Unknown service", "No service")
LONG: Final = {"system.exec.test.run_duration": "1h"}

LASTING: Final = frozenset({"job-manager.drain", "job-manager.idle", "job-manager.events-journal"})
"""What keeps the owner waiting: only refusals are looked at."""
HARMLESS: Final[Mapping[str, Mapping[str, Any]]] = {
    "config.load": {"access": {"no-such-key": True}},
    "event.subscribe": {"topic": "test"},
    "event.unsubscribe": {"topic": "none"},
    "feasibility.check": {"jobspec": from_command(["true"])},
    "groups.get": {"name": "broker.online"},
    "job-list.list": {"max_entries": 0, "attrs": ["userid"]},
    "job-manager.history.get": {"slice": "[:5]"},
    "job-manager.list": {"max_entries": 0},
    "job-manager.purge-log": {"since": 0, "follow": False},
}
"""What to ask, where an empty request would do harm or be refused to everybody alike."""


def routes() -> list[Route]:
    """The router's table."""

    async def ask() -> list[Route]:
        async with assembled() as parts:
            return list(parts.router.table.values())

    return asyncio.run(ask())


TABLE: Final = routes()


class Verdict(NamedTuple):
    """An answer, as far as it says whether something was allowed."""

    errnum: int
    text: str
    jobs: tuple[int, ...] = ()


def ask(client: RawClient, topic: str, body: Mapping[str, Any], claim: Cred) -> Any:  # noqa: ANN401
    """The value that answers a request, or its errnum."""
    client.send(topic, body, 1, claim=claim)
    answer = client.receive()
    return answer.errnum or answer.value


def await_start(client: BlockingClient, id: int) -> None:
    """Wait until a job runs."""
    with closing(client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"})) as log:
        assert any('"name":"start"' in event["event"] for event in log)


class Walk:
    """Asks every topic on one connection."""

    def __init__(self, client: RawClient, job: int) -> None:
        self._client = client
        self._job = job
        self._tag = 0

    def verdicts(self, asked: list[Route], claim: Cred) -> dict[str, Verdict]:
        """The answer to each of some topics; what ends streams is asked when all have begun."""
        last = [route for route in asked if route.topic == "disconnect"]
        return self._ask([r for r in asked if r not in last], claim) | self._ask(last, claim)

    def _ask(self, asked: list[Route], claim: Cred) -> dict[str, Verdict]:
        tags = {}
        for route in asked:
            self._tag += 1
            tags[self._tag] = route.topic
            flags = FLAG_STREAMING if route.streaming else 0
            self._client.send(route.topic, self._body(route), self._tag, flags, claim)
        found: dict[str, Verdict] = {}
        while len(found) < len(tags):
            try:
                tag, errnum, text, value = self._client.receive()
            except (zmq.Again, TimeoutError):
                unanswered = set(tags.values()) - found.keys()
                raise AssertionError(unanswered) from None
            if tag in tags and tags[tag] not in found:  # else more of a stream
                jobs = value.get("jobs", ())
                ids = tuple(job["id"] if isinstance(job, dict) else job for job in jobs)
                found[tags[tag]] = Verdict(errnum, text, ids)
        return found

    def _body(self, route: Route) -> Mapping[str, Any]:
        if route.topic in ABOUT:
            body = dict(ABOUT[route.topic])
            return body | ({"userid": MINE} if "userid" in body else {"id": self._job})
        if route.topic.endswith("-cancel"):
            return {"matchtag": 0}
        return HARMLESS.get(route.topic, {})


def expected(
    said: Mapping[str, Mapping[str, str]], route: Route, who: str, *, private: bool
) -> bool:
    """Whether SECURITY.md says that somebody may ask this (of the guest's job, if of one)."""
    column = who if who in ("owner", "admin") else "guest"
    words = said_of(said, route.topic, column)
    general, _, in_private = words.partition("; in private mode ")
    if in_private and private:
        general = {"its own": "its own jobs", "refused": "no"}[in_private]
    if general == "its own jobs":
        return who in ("owner", "mine") or route.topic in UNSCOPED
    assert general in ("yes", "no", "all jobs"), words
    return general != "no"


@pytest.fixture(scope="module", params=["false", "true"], ids=["normal", "private"])
def house(request: pytest.FixtureRequest) -> Iterator[tuple[Site, bool, int]]:
    """A daemon that guests reach by key and by the local socket, its mode, and a guest's job."""
    with TemporaryDirectory(prefix="jm-") as directory:
        daemon = DaemonProcess(Path(directory))
        daemon.directory.chmod(0o711)
        site = Site(daemon)
        for who, userid in ACTORS.items():
            site.key(who, {"owner": "owner", "admin": "admin"}.get(who, "user"), userid)
        site.configure(ACCESS.format(request.param))
        daemon.start()
        with site.client(site.keys / "mine.key") as guest:
            spec = from_command(["true"], attributes=LONG)
            job = int(guest.rpc("job-ingest.submit", {"jobspec": spec})["id"])
            await_start(guest, job)
        yield site, request.param == "true", job
        daemon.kill()
        daemon.end_supervisor()


@pytest.mark.parametrize("who", ACTORS)
@pytest.mark.parametrize("transport", BY_KEY_OR_KERNEL)
def test_what_a_header_claims_changes_no_verdict(
    house: tuple[Site, bool, int], transport: str, who: str
) -> None:
    """And the verdict is that of SECURITY.md."""
    site, private, job = house
    if transport == "local" and not may_act_as(ACTORS[who]):
        pytest.skip("only root can be another user")
    client = BY_KEY_OR_KERNEL[transport](site, who, ACTORS[who])
    with closing(client):
        walk, said = Walk(client, job), table()
        allowed = {route.topic: expected(said, route, who, private=private) for route in TABLE}
        asked = [r for r in TABLE if not (allowed[r.topic] and r.topic in LASTING)]
        honest = walk.verdicts(asked, UNKNOWN)
        for route in asked:
            errnum = honest[route.topic].errnum
            if allowed[route.topic]:
                assert errnum != errno.EPERM, (route.topic, honest[route.topic])
                assert not honest[route.topic].text.startswith(NOT_SERVED), route.topic
                if route.topic in ABOUT:
                    assert errnum == LATE.get(route.topic, 0), honest[route.topic]
            elif private and route.scope in (Scope.OWN, Scope.SEEN) and who == "other":
                assert errnum in (errno.EPERM, errno.ENOENT, errno.EINVAL), route.topic
            else:
                assert errnum == errno.EPERM, (route.topic, honest[route.topic])
        seen = (job,) if allowed["job-list.list-id"] else ()
        assert honest["job-list.list"].jobs == seen
        assert honest["job-manager.history.get"].jobs == ((job,) if who == "mine" else ())
        for claim in CLAIMS:
            if transport == "local" and who == "owner" and not claim.is_owner:
                continue  # it may lower itself
            forged = walk.verdicts(asked, claim)
            for route in asked:
                assert forged[route.topic] == honest[route.topic], (route.topic, claim)


@pytest.mark.parametrize("transport", BY_KEY_OR_KERNEL)
@pytest.mark.parametrize("claim", [Cred(OWNER, ROLE_OWNER), Cred(OTHER, ROLE_OWNER)])
def test_what_a_guest_does_is_recorded_under_its_own_name(
    house: tuple[Site, bool, int], transport: str, claim: Cred
) -> None:
    """Jobs, exceptions and urgencies; and who claims to be somebody writes no memo for them."""
    site, _, job = house
    if transport == "local" and not may_act_as(MINE):
        pytest.skip("only root can be another user")
    with (
        closing(BY_KEY_OR_KERNEL[transport](site, "mine", ACTORS["mine"])) as mine,
        closing(BY_KEY_OR_KERNEL[transport](site, "other", ACTORS["other"])) as other,
    ):
        spec = from_command(["true"], attributes=LONG)
        held = ask(mine, "job-ingest.submit", {"jobspec": spec, "urgency": 0}, claim)["id"]
        assert ask(mine, "job-manager.urgency", {"id": held, "urgency": 3}, claim) == {
            "old_urgency": 0
        }
        cancel = {"id": held, "type": "cancel", "severity": 0}
        assert ask(mine, "job-manager.raise", cancel, claim) == {}
        lie = {"id": job, "memo": {"by": "somebody else"}}
        assert ask(other, "job-manager.memo", lie, Cred(MINE, ROLE_OWNER)) in REFUSED
        body = {"id": held, "attrs": ["eventlog"]}
        log = ask(mine, "job-manager.getattr", body, claim)["eventlog"]
        users = {e["name"]: e["context"]["userid"] for e in log if "userid" in e.get("context", {})}
        assert users == {"submit": MINE, "urgency": MINE, "exception": MINE}
    log = site.daemon.rpc("job-manager.getattr", {"id": job, "attrs": ["eventlog"]})["eventlog"]
    assert "somebody else" not in str(log)


@pytest.mark.parametrize("transport", BY_KEY_OR_KERNEL)
def test_a_purge_is_recorded_under_the_owners_name(
    house: tuple[Site, bool, int], transport: str
) -> None:
    """Whatever the request says of who asks; a guest purges nothing."""
    site = house[0]
    spec = from_command(["true"], attributes={"system.exec.test.run_duration": "1ms"})
    id = site.daemon.rpc("job-ingest.submit", {"jobspec": spec})["id"]
    with site.daemon.client() as client:
        assert list(client.stream("job-info.eventlog-watch", {"id": id, "path": "eventlog"}))
        body = {"id": id, "force": True}
        if transport == "tcp" or may_act_as(MINE):
            with closing(BY_KEY_OR_KERNEL[transport](site, "mine", ACTORS["mine"])) as guest:
                assert ask(guest, "job-manager.purge-id", body, CLAIMS[-1]) == errno.EPERM
        with closing(BY_KEY_OR_KERNEL[transport](site, "owner", ACTORS["owner"])) as owner:
            answer = ask(owner, "job-manager.purge-id", body, Cred(MINE, ROLE_OWNER))
        (*_, record) = client.stream("job-manager.purge-log", {"since": answer["seq"] - 1})
        assert (record["jobs"], record["userid"]) == ([id], OWNER)


@pytest.mark.parametrize("transport", BY_KEY_OR_KERNEL)
def test_an_event_is_published_under_the_name_of_its_sender(
    house: tuple[Site, bool, int], transport: str
) -> None:
    """Only the owner publishes; an event that a guest sends as one goes nowhere."""
    site = house[0]
    body = {"topic": "forged", "flags": 0}
    with LocalClient(site.daemon.rundir) as listener:
        assert listener.ask("event.subscribe", {"topic": "forged"}).number == 0
        if transport == "tcp" or may_act_as(MINE):
            with closing(BY_KEY_OR_KERNEL[transport](site, "mine", ACTORS["mine"])) as guest:
                for claim in CLAIMS:
                    assert ask(guest, "event.publish", body, claim) == errno.EPERM
        if transport == "local" and may_act_as(MINE):
            with acting_as(MINE):
                guest_itself = LocalClient(site.daemon.rundir)
            lie = message("forged.event", type=EVENT, userid=OWNER, rolemask=ROLE_OWNER)
            guest_itself.socket.sendall(lie)
            assert guest_itself.ask("job-manager.ping", {}).number == 0
            guest_itself.socket.close()
        with closing(BY_KEY_OR_KERNEL[transport](site, "owner", ACTORS["owner"])) as owner:
            assert "seq" in ask(owner, "event.publish", body, Cred(MINE, ROLE_OWNER))
        event = listener.event()
    role = ROLE_OWNER | (ROLE_LOCAL if transport == "local" else 0)
    assert (event.topic, event.userid, event.rolemask) == ("forged", OWNER, role)


def test_the_input_of_a_job_is_its_users(house: tuple[Site, bool, int]) -> None:
    """In private mode, the shell of another's job is no service at all."""
    site, private, _ = house
    spec = from_command(["cat"], cwd="/")
    with site.daemon.client() as owner, site.client(site.keys / "other.key") as other:
        id = owner.rpc("job-ingest.submit", {"jobspec": spec})["id"]
        await_start(owner, id)
        texts = {}
        for job in (id, NEVER):
            with pytest.raises(RpcError) as caught:
                other.rpc(f"{service(OWNER, job)}.stdin", {"stream": "stdin", "rank": "all"})
            texts[job] = caught.value.text.replace(service(OWNER, job), "SHELL")
        assert (texts[id] == texts[NEVER]) == private
        owner.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
