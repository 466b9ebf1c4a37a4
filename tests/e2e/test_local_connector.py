"""RUNDIR/local: a client of Flux's local connector is served like a client of the ROUTER."""

import errno
import json
import os
import stat
from base64 import b64encode
from collections.abc import Iterator

import pytest

from protocol.jobspec import from_command
from tests.conftest import DaemonProcess
from tests.local_client import ANY, EVENT, NORESPONSE, STREAMING, LocalClient, message

OWNER, USER, LOCAL = 1, 2, 4


@pytest.fixture
def client(shared_daemon: DaemonProcess) -> Iterator[LocalClient]:
    """A connection to a running daemon."""
    with LocalClient(shared_daemon.rundir) as connected:
        yield connected


def test_the_owner_is_greeted_with_a_zero_byte(client: LocalClient) -> None:
    """RFC 3: a byte of zero lets a client in."""
    assert client.greeting == b"\0"


def test_a_request_is_answered_in_JSON(client: LocalClient) -> None:  # noqa: N802
    """Requests without a payload, too: who speaks here reads JSON."""
    response = client.ask("job-manager.getinfo")
    assert response.number == 0
    assert response.value.keys() == {"max_jobid"}


def test_the_userid_is_that_of_the_process(client: LocalClient) -> None:
    """RFC 12: SO_PEERCRED says who it is, and LOCAL is added."""
    pong = client.ask("job-manager.ping", {"seq": 3}).value
    assert (pong["seq"], pong["userid"], pong["rolemask"]) == (3, os.getuid(), OWNER | LOCAL)


def test_an_error_has_its_text(client: LocalClient) -> None:
    """The text ends in NUL as RFC 3 says; clients print it."""
    response = client.ask("no.such")
    assert response.number == errno.ENOSYS
    assert response.text == "No service matching no.such is registered"


@pytest.mark.parametrize(
    ("claim", "is_taken"),
    [
        pytest.param((4242, USER), (4242, USER), id="a guest"),
        pytest.param((ANY, USER | LOCAL), (os.getuid(), USER | LOCAL), id="itself as a guest"),
        pytest.param((4242, OWNER), (os.getuid(), OWNER | LOCAL), id="another owner"),
        pytest.param((4242, 0), (os.getuid(), OWNER | LOCAL), id="no role"),
    ],
)
def test_an_owner_may_lower_itself_and_nothing_else(
    shared_daemon: DaemonProcess, claim: tuple[int, int], is_taken: tuple[int, int]
) -> None:
    """FLUX_HANDLE_USERID and FLUX_HANDLE_ROLEMASK of flux's tools act as a guest."""
    userid, rolemask = claim
    with LocalClient(shared_daemon.rundir, userid=userid, rolemask=rolemask) as client:
        pong = client.ask("job-manager.ping", {}).value
        assert (pong["userid"], pong["rolemask"]) == is_taken


def test_a_lowered_owner_is_refused_what_guests_are(shared_daemon: DaemonProcess) -> None:
    """The roles of the router's table hold for this transport."""
    with LocalClient(shared_daemon.rundir, userid=4242, rolemask=USER) as client:
        assert client.ask("config.reload").number == errno.EPERM


def test_a_guest_sees_of_the_configuration_what_concerns_jobs(
    stopped_daemon: DaemonProcess,
) -> None:
    """Flux's tools ask for it, whoever runs them; endpoints and limits are the owner's."""
    stopped_daemon.configure("[resource]\ncores = 2\n[heartbeat]\nperiod = '1s'\n")
    stopped_daemon.start()
    with LocalClient(stopped_daemon.rundir, userid=4242, rolemask=USER) as guest:
        assert guest.ask("config.get").value == {"resource": {"cores": 2}}


def test_NORESPONSE_is_honoured(client: LocalClient) -> None:  # noqa: N802
    """RFC 3: neither an answer nor an error."""
    client.send("no.such", flags=NORESPONSE)
    tag = client.send("job-manager.getinfo")
    assert client.receive().matchtag == tag


def test_many_requests_in_one_write_are_answered_in_order(client: LocalClient) -> None:
    """Pipelining: a client need not wait."""
    tags = [client.send("job-manager.ping", {"seq": n}) for n in range(500)]
    assert [client.receive().matchtag for _ in tags] == tags


def test_many_jobs_are_watched_on_one_connection(client: LocalClient) -> None:
    """`flux submit --wait --cc=1-10000` watches each job; the default limits let it."""
    group = {"name": "broker.online"}
    tags = {client.send("groups.get", group, STREAMING) for _ in range(10_000)}
    answers = [client.receive() for _ in tags]
    assert {answer.matchtag for answer in answers if not answer.number} == tags


def test_a_job_is_submitted_and_followed(client: LocalClient) -> None:
    """A stream's values come on the same connection, until ENODATA."""
    spec = {"jobspec": from_command(["true"], cwd="/")}
    id = client.ask("job-ingest.submit", spec).value["id"]
    watch = {"id": id, "path": "eventlog", "flags": 0}
    tag = client.send("job-info.eventlog-watch", watch, STREAMING)
    seen = []
    while (response := client.response(tag)).number == 0:
        seen += [json.loads(line)["name"] for line in response.value["event"].splitlines()]
    assert response.number == errno.ENODATA
    assert (seen[0], seen[-1]) == ("submit", "clean")


def test_events_come_to_those_who_subscribed(client: LocalClient) -> None:
    """A topic is a prefix; payload and sequence are those of the PUB socket's subscribers."""
    assert client.ask("event.subscribe", {"topic": "local.te"}).payload is None
    body = b64encode(b'{"a":1}\0').decode()
    assert client.ask("event.publish", {"topic": "other", "flags": 0}).number == 0
    seq = client.ask("event.publish", {"topic": "local.test", "flags": 0, "payload": body}).value
    event = client.event()
    assert (event.type, event.topic, event.number) == (EVENT, "local.test", seq["seq"])
    assert event.value == {"a": 1}


def test_the_daemons_own_events_are_JSON_here(  # noqa: N802
    client: LocalClient, shared_daemon: DaemonProcess
) -> None:
    """One publication: MessagePack on the PUB socket, JSON to those who subscribed here."""
    client.ask("event.subscribe", {"topic": "heartbeat"})
    with shared_daemon.client() as zmq_client, zmq_client.subscribe("heartbeat") as pulses:
        ours, theirs = client.event(), next(iter(pulses))
        assert (ours.topic, ours.value) == ("heartbeat.pulse", {})
        while theirs.sequence < ours.number:
            theirs = next(iter(pulses))
        assert theirs.sequence == ours.number


def test_an_event_that_a_client_sends_is_published(client: LocalClient) -> None:
    """`flux event pub` does not ask: it sends an event as such. Those of others are refused."""
    client.ask("event.subscribe", {"topic": ""})
    for topic in ("job-purge-inactive", "sent"):
        client.socket.sendall(message(topic, b'{"k":1}\0', type=EVENT))
    event = client.event()
    while event.topic == "heartbeat.pulse":
        event = client.event()
    assert (event.topic, event.value) == ("sent", {"k": 1})


def test_a_subscription_is_counted(client: LocalClient) -> None:
    """Two of the same topic want two unsubscribes; then a third is ENOENT."""
    for _ in range(2):
        client.ask("event.subscribe", {"topic": "counted"})
    client.ask("event.unsubscribe", {"topic": "counted"})
    client.ask("event.publish", {"topic": "counted"})
    assert client.event().topic == "counted"
    client.ask("event.unsubscribe", {"topic": "counted"})
    client.ask("event.publish", {"topic": "counted"})
    assert client.ask("event.unsubscribe", {"topic": "counted"}).number == errno.ENOENT
    assert not client.events


def test_a_private_event_reaches_its_sender_and_the_owner(shared_daemon: DaemonProcess) -> None:
    """RFC 12, Event Privacy. A guest that subscribes hears what is public only."""
    with (
        LocalClient(shared_daemon.rundir) as owner,
        LocalClient(shared_daemon.rundir, userid=4242, rolemask=USER) as guest,
    ):
        for each in (owner, guest):
            each.ask("event.subscribe", {"topic": "secret"})
        owner.ask("event.publish", {"topic": "secret.1", "flags": 0x20})
        owner.ask("event.publish", {"topic": "secret.2", "flags": 0})
        assert [owner.event().topic for _ in range(2)] == ["secret.1", "secret.2"]
        assert guest.event().topic == "secret.2"


def test_what_a_client_waits_for_is_released_when_it_goes(shared_daemon: DaemonProcess) -> None:
    """Closing the socket is the disconnect message."""
    with LocalClient(shared_daemon.rundir) as client, LocalClient(shared_daemon.rundir) as other:
        client.ask("event.subscribe", {"topic": ""})
        client.ask("job-manager.events-journal", {}, STREAMING)
        client.socket.close()
        while other.ask("job-manager.stats-get").value["journal"]["listeners"]:
            pass


def test_a_stopping_daemon_ends_streams_before_it_closes(stopped_daemon: DaemonProcess) -> None:
    """Clients learn why: ECANCELED, then the end of the connection; and the socket is gone."""
    stopped_daemon.start()
    with LocalClient(stopped_daemon.rundir) as client:
        client.ask("job-manager.events-journal", {}, STREAMING)
        assert stopped_daemon.stop() == 0
        assert client.receive().number == errno.ECANCELED
        assert client.ended()
    assert not (stopped_daemon.rundir / "local").exists()


def test_the_connector_counts_its_clients(shared_daemon: DaemonProcess) -> None:
    """`flux module stats connector-local`: whose they are, and what has passed."""
    with LocalClient(shared_daemon.rundir) as one, LocalClient(shared_daemon.rundir) as other:
        before = other.ask("connector-local.stats-get").value
        one.ask("job-manager.getinfo")
        after = other.ask("connector-local.stats-get").value
        assert after["server"]["connects"] == before["server"]["connects"] >= 2
        clients = {client["txcount"]: client for client in after["server"]["clients"]}
        assert clients[2] == {
            "userid": os.getuid(),
            "pid": os.getpid(),
            "txcount": 2,
            "rxcount": 1,
            "rxbacklog": 0,
        }
        assert clients[1]["rxcount"] == 1


def test_a_socket_left_behind_is_replaced(stopped_daemon: DaemonProcess) -> None:
    """After kill -9 the next daemon listens at the same path."""
    stopped_daemon.start()
    stopped_daemon.kill()
    stopped_daemon.start()
    with LocalClient(stopped_daemon.rundir) as client:
        assert client.ask("job-manager.getinfo").number == 0


def test_the_sockets_of_ZeroMQ_are_the_owners_alone(shared_daemon: DaemonProcess) -> None:  # noqa: N802
    """They believe whoever reaches them, so that no guest may, whatever the directory's mode."""
    for name in ("rpc", "events"):
        assert not stat.S_IMODE((shared_daemon.rundir / name).stat().st_mode) & 0o077
