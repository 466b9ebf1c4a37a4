"""RUNDIR/local against those who mean harm: nothing that they write stops the service of others."""

import errno
import os
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.jobspec import from_command
from tests.conftest import DaemonProcess
from tests.local_client import MAGIC, STREAMING, LocalClient, message, part

NOBODY = 65534
CROWD = 1000
GUESTS = "[access]\nallow-guest-user = true\n"
HEADER = message("t")[-20:]


def is_served(rundir: Path) -> bool:
    """Whether a client that behaves is answered."""
    with LocalClient(rundir) as client:
        return bool(client.ask("job-manager.ping", {"seq": 1}).value["seq"] == 1)


def framed(body: bytes) -> bytes:
    """A body with its magic and its length."""
    return MAGIC + struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
        pytest.param(MAGIC[::-1] + message("t")[4:], id="wrong magic"),
        pytest.param(MAGIC + b"\xff\xff\xff\xff", id="huge length"),
        pytest.param(MAGIC + b"\0\0\0\0", id="nothing in it"),
        pytest.param(framed(part(HEADER[:19])), id="short header"),
        pytest.param(framed(part(b"t")), id="no header"),
        pytest.param(framed(part(HEADER[:1] + b"\2" + HEADER[2:])), id="wrong version"),
        pytest.param(framed(part(HEADER)), id="no topic"),
        pytest.param(framed(part(b"\xff\xfe") + part(HEADER)), id="topic is not UTF-8"),
        pytest.param(framed(part(b"t") + part(b"?") + part(HEADER)), id="part too many"),
        pytest.param(framed(b"\x05t"), id="part longer than its message"),
        pytest.param(framed(b"\xff\xff\xff\xff\xff"), id="huge part"),
    ],
)
def test_what_is_no_message_ends_its_connection(shared_daemon: DaemonProcess, data: bytes) -> None:
    """A stream that was misunderstood once cannot be read on; requests before it were served."""
    with LocalClient(shared_daemon.rundir) as client:
        assert client.ask("job-manager.getinfo").number == 0
        client.socket.sendall(data)
        assert client.ended()
    assert is_served(shared_daemon.rundir)


def test_a_message_that_drips_is_read_and_nobody_waits_for_it(shared_daemon: DaemonProcess) -> None:
    """Slow writes: a byte at a time is slow for its sender alone."""
    with LocalClient(shared_daemon.rundir) as slow, LocalClient(shared_daemon.rundir) as other:
        for byte in message("job-manager.getinfo", matchtag=7):
            slow.socket.sendall(bytes([byte]))
            assert other.ask("job-manager.ping", {}).number == 0
        assert slow.receive().matchtag == 7


def test_a_crowd_is_served_or_told_to_come_later(shared_daemon: DaemonProcess) -> None:
    """1000 connections at once, half of them in the middle of a message."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CROWD:
        pytest.skip("so many files may not be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CROWD), hard))
    crowd = []
    try:
        for n in range(CROWD):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(str(shared_daemon.rundir / "local"))
            if n % 2:
                sock.sendall(message("job-manager.getinfo", matchtag=1)[:30])
            crowd.append(sock)
        greetings = [sock.recv(1) for sock in crowd]
        assert set(greetings) <= {b"\0", bytes([errno.EMFILE])}
        assert greetings.count(b"\0") >= 800
        assert shared_daemon.rpc("job-manager.getinfo")
        sock = crowd[1]
        sock.sendall(message("job-manager.getinfo", matchtag=1)[30:])
        assert sock.recv(4) == MAGIC
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_served(shared_daemon.rundir)


def test_one_that_never_reads_is_left_unread(shared_daemon: DaemonProcess) -> None:
    """Its requests wait in its own socket, so that it cannot have the daemon's memory filled."""
    with LocalClient(shared_daemon.rundir) as deaf:
        deaf.socket.settimeout(1.0)
        ping = message("job-manager.ping", b'{"pad":"' + b"x" * 100_000 + b'"}\0', matchtag=1)
        with pytest.raises(TimeoutError):
            deaf.socket.sendall(ping * 4000)
        assert is_served(shared_daemon.rundir)
    process = shared_daemon.process
    assert process is not None
    assert _peak(process.pid) < 250_000


def test_one_that_subscribes_and_never_reads_is_given_up(shared_daemon: DaemonProcess) -> None:
    """Events come unasked: what piles up for it is bounded, and then its connection ends."""
    with LocalClient(shared_daemon.rundir) as deaf, LocalClient(shared_daemon.rundir) as other:
        deaf.ask("event.subscribe", {"topic": "noise"})
        deaf.ask("job-manager.events-journal", {}, STREAMING)
        body = "QUFB" * 250_000
        for _ in range(110):
            assert other.ask("event.publish", {"topic": "noise", "payload": body}).number == 0
        assert other.ask("job-manager.stats-get").value["journal"]["listeners"] == 0
        assert deaf.ended()


def _peak(pid: int) -> int:
    """KiB that a process had at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


# --- other users ----------------------------------------------------------------------------------

AS_NOBODY = """
import os, socket, sys
from pathlib import Path
from tests.local_client import LocalClient
os.setgid({nobody}); os.setuid({nobody})
client = LocalClient(Path(sys.argv[1]), userid=0, rolemask=1)
{code}
"""


@pytest.fixture
def guest_daemon(stopped_daemon: DaemonProcess) -> DaemonProcess:
    """A daemon whose directory others may pass through."""
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    stopped_daemon.directory.chmod(0o711)
    return stopped_daemon


def as_nobody(daemon: DaemonProcess, code: str) -> str:
    """Run some lines as another user, connected to the daemon; what they print."""
    program = AS_NOBODY.format(nobody=NOBODY, code=code)
    done = subprocess.run(
        [sys.executable, "-c", program, str(daemon.rundir)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nobody_else_reaches_a_private_directory(guest_daemon: DaemonProcess) -> None:
    """Without allow-guest-user the run directory is closed."""
    guest_daemon.start()
    program = AS_NOBODY.format(nobody=NOBODY, code="")
    done = subprocess.run(
        [sys.executable, "-c", program, str(guest_daemon.rundir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PermissionError" in done.stderr


def test_a_guest_is_told_that_it_may_not_connect(guest_daemon: DaemonProcess) -> None:
    """RFC 3: the greeting is the errno; here EPERM, after a reload that takes guests' right."""
    guest_daemon.configure(GUESTS)
    guest_daemon.start()
    assert as_nobody(guest_daemon, "print(client.greeting)") == repr(b"\0")
    guest_daemon.configure("")
    guest_daemon.reload()
    guest_daemon.rundir.chmod(0o711)
    assert as_nobody(guest_daemon, "print(client.greeting)") == repr(bytes([errno.EPERM]))


def test_a_guest_is_whom_the_kernel_says(guest_daemon: DaemonProcess) -> None:
    """What its headers claim, here the owner, is not believed."""
    guest_daemon.configure(GUESTS)
    guest_daemon.start()
    code = (
        "pong = client.ask('job-manager.ping', {}).value; print(pong['userid'], pong['rolemask'])"
    )
    assert as_nobody(guest_daemon, code) == f"{NOBODY} 6"


AS_GUEST = """
import contextlib, os, sys
from protocol.errors import RpcError
from jobmgrd.client import BlockingClient
from jobmgrd.client.link import probe
os.setgid({nobody}); os.setuid({nobody})
with contextlib.suppress(BrokenPipeError), BlockingClient(sys.argv[1]) as client:
    {code}
"""


def as_guest(daemon: DaemonProcess, code: str) -> tuple[str, str]:
    """Run a line as another user with the client library; what it prints, and its last error."""
    program = AS_GUEST.format(nobody=NOBODY, code=code)
    done = subprocess.run(
        [sys.executable, "-c", program, daemon.uri],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip().rpartition("\n")[2]


def test_a_guest_uses_the_client_library_as_anybody_does(guest_daemon: DaemonProcess) -> None:
    """The run directory is all that it has to know; what it may not is refused by name."""
    guest_daemon.configure(GUESTS)
    guest_daemon.start()
    said = "print(client.rpc('job-manager.ping')['userid'])"
    assert as_guest(guest_daemon, said) == (str(NOBODY), "")
    heard = "print(next(iter(client.subscribe('heartbeat').__enter__())).topic)"
    assert as_guest(guest_daemon, heard) == ("heartbeat.pulse", "")
    _, error = as_guest(guest_daemon, "client.rpc('job-manager.purge', {'num_limit': 0})")
    assert error.endswith("job-manager.purge requires the instance owner's role")


def test_a_guest_that_may_not_connect_is_told_so_by_the_client_library(
    guest_daemon: DaemonProcess,
) -> None:
    """The door is closed, or it is open and the greeting says no."""
    guest_daemon.start()
    _, error = as_guest(guest_daemon, "client.rpc('job-manager.ping')")
    assert "no jobmgrd answers at ipc://" in error
    assert "Permission denied" in error
    guest_daemon.rundir.chmod(0o711)
    _, error = as_guest(guest_daemon, "client.rpc('job-manager.ping')")
    assert error.endswith("NotAdmittedError: the daemon does not let this user in")


def test_a_guest_has_no_access_to_the_owners_sockets(guest_daemon: DaemonProcess) -> None:
    """The ROUTER believes whoever reaches it: its file's mode keeps guests out."""
    guest_daemon.configure(GUESTS)
    guest_daemon.start()
    code = """
for name in ("rpc", "events", "exec"):
    try:
        socket.socket(socket.AF_UNIX).connect(sys.argv[1] + "/" + name)
    except PermissionError:
        print(name)
"""
    assert as_nobody(guest_daemon, code).split() == ["rpc", "events", "exec"]


def test_a_guests_job_does_not_run_as_the_owner(guest_daemon: DaemonProcess) -> None:
    """A process would have the owner's rights: only simulated jobs are taken from guests."""
    guest_daemon.configure(GUESTS)
    guest_daemon.start()
    real = {"jobspec": from_command(["id"], cwd="/")}
    test = {"system.exec.test.run_duration": "0.001s"}
    fake = {"jobspec": from_command(["id"], cwd="/", attributes=test)}
    code = f"""
refused = client.ask('job-ingest.submit', {real!r})
print(refused.number, refused.text)
print(client.ask('job-ingest.submit', {fake!r}).number)
"""
    said = as_nobody(guest_daemon, code).splitlines()
    assert said == [f"{errno.EPERM} jobmgrd runs processes as its owner alone", "0"]
