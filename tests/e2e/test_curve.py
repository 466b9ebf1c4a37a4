"""tcp:// endpoints: who has a known key is let in as whom it stands for, and nobody else."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import zmq

from jobmgrd.client import BlockingClient, ConnectionLostError, NoDaemonError, UriError
from jobmgrd.client.errors import REFUSED, NotAdmittedError
from jobmgrd.curve import Curve, KeyFileError, generate, read_public, read_secret, write
from protocol.errors import RpcError
from protocol.message import ROLE_OWNER, ROLE_USER, Cred, Request, Response, decode
from protocol.payload import decode as decode_payload
from protocol.payload import encode
from tests.conftest import DaemonProcess
from tests.e2e.curve_site import GUEST, WAIT, Site, free_port
from tests.e2e.raw_clients import may_act_as, over_local

DOCS: Final = Path(__file__).parents[2] / "docs" / "curve.md"
SOON: Final = 300
"""Milliseconds in which a daemon on this host would have answered."""


@pytest.fixture
def site(stopped_daemon: DaemonProcess) -> Site:
    """A daemon with tcp:// endpoints, not started."""
    return Site(stopped_daemon)


@pytest.fixture
def started(site: Site) -> Site:
    """A daemon with tcp:// endpoints that knows an owner and a guest."""
    site.key("owner", "owner")
    site.key("guest")
    site.daemon.start()
    return site


def ask(sock: "zmq.Socket[bytes]", topic: str, cred: Cred) -> Response:
    """Send a request with a header that claims something, and take the answer."""
    sock.send_multipart(Request(topic, encode({}), cred, matchtag=7).frames())
    answer = decode(sock.recv_multipart())
    assert isinstance(answer, Response)
    return answer


def test_the_worked_example_works(stopped_daemon: DaemonProcess) -> None:
    """docs/curve.md, block by block, with another port."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) == len(("server", "client", "use"))
    port = str(free_port())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(block: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", block.replace("5570", port)],
            cwd=stopped_daemon.directory,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(blocks[0])
    run(blocks[1])
    stopped_daemon.start()
    said = run(blocks[2])
    assert "far" in said
    assert said.count("far") == len(("task", "task"))


def test_a_key_is_whom_it_stands_for(started: Site) -> None:
    """The header's userid and rolemask are not believed, whatever they claim."""
    for claim in (Cred(0, ROLE_OWNER), Cred(os.getuid(), ROLE_OWNER | ROLE_USER), Cred(1, 0)):
        with started.socket(zmq.DEALER, started.rpc, started.keys / "guest.key") as sock:
            pong = decode_payload(ask(sock, "job-manager.ping", claim).payload)
            assert (pong["userid"], pong["rolemask"]) == (GUEST, ROLE_USER)
            assert ask(sock, "config.reload", claim).errnum == errno.EPERM
    with started.client(started.keys / "owner.key") as client:
        pong = client.rpc("job-manager.ping")
        assert (pong["userid"], pong["rolemask"]) == (os.getuid(), ROLE_OWNER)
        refused = client.rpc("job-manager.stats-get")["refused"]
        assert (refused["keys"], refused["handshakes"]) == (0, 0), "a client is no stranger"


def test_who_has_no_known_key_gets_nothing(started: Site) -> None:
    """No answer, no event; the log says from where it was, and with which key."""
    stranger = started.key("stranger", None)
    admin = started.key("admin", "admin")  # known, but not for the events
    started.daemon.reload()
    with started.client(admin) as client:
        assert client.rpc("job-manager.ping")["userid"] == GUEST
    with (
        pytest.raises(NotAdmittedError, match=REFUSED),
        started.client(stranger) as client,
    ):
        client.rpc("job-manager.ping")
    with (
        started.socket(zmq.DEALER, started.rpc, stranger) as dealer,
        started.socket(zmq.SUB, started.events, stranger) as sub,
        started.socket(zmq.SUB, started.events, admin) as no_owner,
        started.client(started.keys / "owner.key") as owner,
    ):
        dealer.send_multipart(Request("job-manager.ping", None, matchtag=1).frames())
        for subscriber in (sub, no_owner):
            subscriber.setsockopt(zmq.SUBSCRIBE, b"")
        with owner.subscribe("test") as events:
            owner.rpc("event.publish", {"topic": "test.a", "flags": 0})
            assert next(events).topic == "test.a"
        for deaf in (dealer, sub, no_owner):
            assert not deaf.poll(SOON)
    key = read_secret(stranger).public.decode()
    assert "curve.refused" in started.logged()
    assert started.daemon.rpc("job-manager.stats-get")["refused"]["keys"] >= 4
    assert key in started.logged()
    assert "127.0.0.1" in started.logged()


def test_who_speaks_no_curve_gets_nothing(started: Site) -> None:
    """Plain ZeroMQ, a client that believes in another server, and bare bytes."""
    port = int(started.rpc.rpartition(":")[2])
    other = started.keys / "other"
    write(other, generate(), {})
    with started.socket(zmq.DEALER, started.rpc, None) as plain:
        plain.send_multipart(Request("job-manager.ping", None, matchtag=1).frames())
        assert not plain.poll(SOON)
    with (
        BlockingClient(
            started.rpc, key=str(started.keys / "owner.key"), server_key=f"{other}.pub"
        ) as client,
        pytest.raises(ConnectionLostError, match="is its public key another than --server-key"),
    ):
        client.rpc("job-manager.ping")
    with socket.create_connection(("127.0.0.1", port)) as bare:
        bare.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        bare.settimeout(5)
        heard = b""
        with suppress(ConnectionResetError):
            while data := bare.recv(4096):
                heard += data
    assert b"jobmgrd" not in heard
    assert len(heard) <= 64, "more than ZMTP's greeting"
    refused = started.daemon.rpc("job-manager.stats-get")["refused"]
    assert refused["handshakes"] >= len(("plain", "other", "bare"))
    assert refused["keys"] == 0
    for reason in ("it has another key for this server's", "it does not speak ZMTP 3"):
        assert reason in started.logged()


def test_keys_come_and_go_by_reload(started: Site) -> None:
    """Others notice nothing; the streams of a revoked key end, and so does its power."""
    with (
        started.client(started.keys / "owner.key") as owner,
        started.client(started.keys / "guest.key") as guest,
    ):
        late = started.key("late")
        with pytest.raises(ConnectionLostError), started.client(late) as client:
            client.rpc("job-manager.ping")
        assert guest.rpc("job-manager.ping")["userid"] == GUEST
        stream = guest.stream("job-list.job-stats")
        next(stream)
        link = owner._link
        owner.rpc("config.reload")
        with started.client(late) as client:
            assert client.rpc("job-manager.ping")["userid"] == GUEST
        started.revoke("guest")
        with pytest.raises(RpcError, match="the key of this connection was revoked") as ended:
            for _ in stream:
                pass
        assert ended.value.errnum == errno.EPERM
        with pytest.raises(RpcError, match="revoked"):
            guest.rpc("job-manager.ping")
        assert owner.rpc("job-manager.ping")
        assert owner._link is link, "it was never disconnected"
    with pytest.raises(NotAdmittedError, match=REFUSED), guest_again(started) as client:
        client.rpc("job-manager.ping")


def guest_again(site: Site) -> BlockingClient:
    """A new connection with the guest's key."""
    return site.client(site.keys / "guest.key")


def test_a_revoked_key_hears_no_more_events(started: Site) -> None:
    """Neither on its own connection nor by a SUB socket, whose other subscribers come back."""
    second = started.key("second", "owner")
    started.daemon.reload()
    with (
        started.daemon.client() as local,
        started.client(second) as client,
        client.subscribe("test") as events,
        started.socket(zmq.SUB, started.events, second) as revoked,
        started.socket(zmq.SUB, started.events, started.keys / "owner.key") as kept,
    ):
        for sub in (revoked, kept):
            sub.setsockopt(zmq.SUBSCRIBE, b"test")
            hear(local, sub)
        assert next(events).topic == "test"
        started.revoke("second")
        hear(local, kept)
        while revoked.poll(0):
            revoked.recv_multipart()
        local.rpc("event.publish", {"topic": "test", "flags": 0})
        assert not revoked.poll(SOON)
        before = drained(events)
        local.rpc("event.publish", {"topic": "test", "flags": 0})
        hear(local, kept)
        assert drained(events) <= before


def test_a_key_that_stands_for_less_hears_less(started: Site) -> None:
    """What its connection subscribed to as the owner is over, private events above all."""
    second = started.key("second", "owner")
    started.daemon.reload()
    with (
        started.daemon.client() as local,
        started.socket(zmq.DEALER, started.rpc, second) as dealer,
    ):
        body = encode({"topic": "test"})
        dealer.send_multipart(Request("event.subscribe", body, matchtag=1).frames())
        assert dealer.recv_multipart()
        private = {"topic": "test.private", "flags": 32}
        local.rpc("event.publish", private)
        assert b"test.private" in dealer.recv_multipart()[0]
        public = started.clients / "second.pub"
        public.write_text(public.read_text().replace('"owner"', '"user"'))
        started.daemon.reload()
        local.rpc("event.publish", private)
        assert not dealer.poll(SOON)
        answer = ask(dealer, "job-manager.ping", Cred(0, 0))
        assert decode_payload(answer.payload)["rolemask"] == ROLE_USER


def hear(client: BlockingClient, sub: "zmq.Socket[bytes]") -> None:
    """Publish until a subscriber has heard it: a subscription takes effect some time after."""
    stop = threading.Event()
    while not stop.is_set():
        client.rpc("event.publish", {"topic": "test", "flags": 0})
        if sub.poll(20):
            stop.set()
    while sub.poll(20):
        sub.recv_multipart()


def drained(events: Any) -> int:  # noqa: ANN401 - looks behind the iterator, which would wait
    """How many events have arrived at a subscription so far."""
    events._link.turn(events._receive, 0)
    return len(events._outcomes)


def test_guests_hear_what_they_may_on_their_own_connection(started: Site) -> None:
    """Public events, and no private ones of others."""
    with (
        started.daemon.client() as local,
        started.client(started.keys / "guest.key") as guest,
        guest.subscribe("test") as events,
    ):
        local.rpc("event.publish", {"topic": "test.private", "flags": 32})
        local.rpc("event.publish", {"topic": "test.public", "flags": 0})
        assert next(events).topic == "test.public"


def test_guests_are_let_in_only_if_they_may(site: Site) -> None:
    """By the same policy as on the local socket; a reload that forbids them holds at once."""
    guest = site.key("guest")
    site.daemon.start()
    with site.client(guest) as client:
        assert client.rpc("job-manager.ping")["userid"] == GUEST
        site.configure("allow-guest-user = false")
        assert site.daemon.process is not None
        site.daemon.process.send_signal(signal.SIGHUP)
        site.daemon.reload()
        with pytest.raises(RpcError, match="revoked"):
            client.rpc("job-manager.ping")


def test_guests_are_let_go_from_the_local_socket_too(started: Site) -> None:
    """As soon as they may not connect any more; the owner stays."""
    if not may_act_as(GUEST):
        pytest.skip("only root can be another user")
    started.daemon.directory.chmod(0o711)
    with (
        closing(over_local(started, "guest", GUEST)) as guest,
        closing(over_local(started, "owner", os.getuid())) as owner,
    ):
        guest.send("job-manager.ping", {}, 1)
        assert guest.receive().value["userid"] == GUEST
        started.configure("allow-guest-user = false")
        started.daemon.reload()
        with pytest.raises(ConnectionResetError):
            guest.receive()
        owner.send("job-manager.ping", {}, 1)
        assert owner.receive().value["userid"] == os.getuid()


def test_a_client_must_not_choose_its_routing_id(started: Site) -> None:
    """It could take the place of another, and the answers that are on their way to it."""
    sock: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    with sock:
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVTIMEO, WAIT)
        sock.setsockopt(zmq.ROUTING_ID, b"somebody")
        Curve(read_secret(started.keys / "guest.key"), read_public(started.server)).apply(sock)
        sock.connect(started.rpc)
        answer = ask(sock, "job-manager.ping", Cred(0, 0))
        assert (answer.errnum, answer.error_text) == (
            errno.EPERM,
            "a client must not choose its routing id",
        )


def test_a_secret_that_others_may_read_is_refused(started: Site) -> None:
    """By the library and by the command line, which says what to type."""
    key = started.keys / "owner.key"
    key.chmod(0o640)
    with pytest.raises(KeyFileError, match="mode is 0640, expected 0600: chmod 600"):
        started.client(key)
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", started.rpc, "--key", str(key)]
    argv += ["--server-key", str(started.server), "ping"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"jobmgr: {key}: mode is 0640, expected 0600")


def test_a_doctor_comes_over_tcp_too(started: Site) -> None:
    """With the keys that it is given; what is in the run directory is not its business there."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "--uri", started.rpc]
    argv += ["--key", str(started.keys / "owner.key"), "--server-key", str(started.server)]
    done = subprocess.run([*argv, "doctor"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing is wrong\n", "")


def test_a_client_without_keys_is_told_what_is_missing(started: Site) -> None:
    """And one whose daemon is not there, that."""
    with pytest.raises(UriError, match=r"tcp needs CURVE keys, and the client's key"):
        BlockingClient(started.rpc)
    with pytest.raises(UriError, match=r"the daemon's public key .* is not given"):
        BlockingClient(started.rpc, key="x")
    with (
        pytest.raises(NoDaemonError, match="Connection refused"),
        started.client(started.keys / "owner.key", f"tcp://127.0.0.1:{free_port()}") as client,
    ):
        client.rpc("job-manager.ping")


@pytest.fixture(params=["server", "client", "writable", "nobody", "none"])
def wrong(request: pytest.FixtureRequest, site: Site) -> tuple[Site, str]:
    """A site with something wrong, and what is said of it."""
    site.key("guest")
    guest = site.clients / "guest.pub"
    match request.param:
        case "server":
            (site.keys / "server.key").chmod(0o644)
            text = "[curve] secret-key: .*server.key: mode is 0644, expected 0600"
        case "client":
            guest.write_text('public-key = "short"\nuser = "0"\n')
            text = "[curve] clients: .*guest.pub: public-key is not 40 characters of Z85"
        case "writable":
            guest.chmod(0o666)
            text = "[curve] clients: .*guest.pub: others may write it"
        case "nobody":
            guest.write_text(guest.read_text().replace(str(GUEST), "no-such-user"))
            text = "[curve] clients: .*guest.pub: unknown user 'no-such-user'"
        case _:
            toml = site.daemon.config.read_text()
            site.daemon.configure(re.sub(r"\[curve\][^\[]*", "", toml))
            text = "[rpc] bind: tcp needs CURVE keys, but [curve] secret-key is not set"
    return site, text


def test_a_daemon_with_wrong_keys_does_not_start(wrong: tuple[Site, str]) -> None:
    """One line names table, key, file and what is wrong."""
    site, text = wrong
    assert site.daemon.spawn().wait(20) == 1
    pattern = re.escape(text).replace(r"\.\*", ".*")
    assert re.search(pattern, site.logged()), site.logged()


def test_a_reload_with_wrong_keys_changes_nothing(started: Site) -> None:
    """Who was let in still is."""
    started.key("late")
    (started.clients / "late.pub").write_text("")
    with pytest.raises(RpcError, match=r"late.pub: public-key is missing"):
        started.daemon.reload()
    with guest_again(started) as client:
        assert client.rpc("job-manager.ping")
