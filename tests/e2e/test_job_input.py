"""stdin by RPC, as flux job attach writes it: to a running job's shell."""

import asyncio
import errno
from typing import Any

import pytest

from jobmgrd.client import Client
from protocol import job_shell
from protocol.errors import RpcError
from protocol.eventlog import Entry, decode
from protocol.job_info import WATCH_WAITCREATE
from tests.conftest import DaemonProcess
from tests.e2e.jobs import events, names, real, simulated, submit, wait_for
from tests.e2e.test_supervisor import context, restart, status, stdout


def topic(daemon: DaemonProcess, id: int) -> str:
    """The topic that the job's events tell, once it has started."""
    wait_for(daemon, id, "start")
    request = {"id": id, "keys": ["guest.exec.eventlog"]}
    text: str = daemon.rpc("job-info.lookup", request)["guest.exec.eventlog"]
    return text.partition('"service":"')[2].partition('"')[0] + ".stdin"


def refused(daemon: DaemonProcess, topic: str, request: dict[str, Any]) -> int:
    """The errnum of a refusal."""
    with pytest.raises(RpcError) as caught:
        daemon.rpc(topic, request)
    return caught.value.errnum


def test_a_client_writes_to_a_job(shared_daemon: DaemonProcess) -> None:
    """In order, text and binary; a closed stdin is EPIPE, and so is one of an ended job."""
    id = submit(shared_daemon, real("cat"))[0]
    stdin = topic(shared_daemon, id)
    shared_daemon.rpc(stdin, job_shell.stdin(b"one\n"))
    binary = {"stream": "stdin", "rank": "0", "data": "dHdvCg==", "encoding": "base64"}
    shared_daemon.rpc(stdin, binary)
    assert refused(shared_daemon, stdin, job_shell.stdin(b"x", "7")) == errno.EPIPE
    assert refused(shared_daemon, stdin, {"stream": "stdin", "rank": "x"}) == errno.EPROTO
    shared_daemon.rpc(stdin, job_shell.stdin(b"", eof=True))
    assert status(events(shared_daemon, id)) == 0
    assert stdout(shared_daemon, id) == "one\ntwo\n"
    assert refused(shared_daemon, stdin, job_shell.stdin(b"x")) == errno.ENOSYS


def kept(daemon: DaemonProcess, id: int) -> list[Entry]:
    """What is kept of a job's input."""
    reply = daemon.rpc("job-info.lookup", {"id": id, "keys": ["guest.input"]})
    return decode(reply["guest.input"].encode())


def test_what_was_written_is_kept_with_the_job(daemon: DaemonProcess) -> None:
    """As it was sent (RFC 24), for those who watch and those who look later; over a kill."""
    id, silent = submit(daemon, real("cat"), real("true"))
    stdin = topic(daemon, id)
    with daemon.client() as client:
        path = {"id": id, "path": "guest.input", "flags": WATCH_WAITCREATE}
        watch = client.stream("job-info.eventlog-watch", path)
        daemon.rpc(stdin, job_shell.stdin(b"one\n"))
        assert '"count":{"stdin":1}' in next(watch)["event"]
        assert '"data":"one\\n"' in next(watch)["event"]
    restart(daemon)
    daemon.rpc(stdin, job_shell.stdin(b"\xff", "0", eof=True))
    events(daemon, id)
    header, *data = kept(daemon, id)
    assert header.context == {
        "version": 1,
        "encoding": {"stdin": "UTF-8"},
        "count": {"stdin": 1},
        "options": {},
    }
    assert [entry.context for entry in data] == [
        {"stream": "stdin", "rank": "all", "data": "one\n"},
        {"stream": "stdin", "rank": "0", "data": "/w==", "encoding": "base64", "eof": True},
    ]
    with daemon.client() as client:
        again = client.stream("job-info.eventlog-watch", {"id": id, "path": "guest.input"})
        assert len(list(again)) == 3
    with pytest.raises(RpcError, match=r"guest\.input: key not found"):
        kept(daemon, silent)


def test_only_the_beginning_of_much_input_is_kept(daemon: DaemonProcess) -> None:
    """A line says so, once; a reload changes the limit, and 0 keeps nothing."""
    daemon.configure('[exec]\ninput-limit = "1k"\n')
    daemon.rpc("config.reload")
    id, other = submit(daemon, real("cat"), real("cat"))
    stdin = topic(daemon, id)
    for size in (500, 500, 10):
        daemon.rpc(stdin, job_shell.stdin(b"x" * size))
    restart(daemon)
    daemon.rpc(stdin, job_shell.stdin(b"y", eof=True))
    events(daemon, id)
    assert [entry.name for entry in kept(daemon, id)] == ["header", "data", "log"]
    message = (kept(daemon, id)[-1].context or {})["message"]
    assert message == "stdin: no more than 1024 bytes are kept (exec.input-limit)"
    assert len(stdout(daemon, id)) == 1011
    daemon.configure("[exec]\ninput-limit = 0\n")
    daemon.rpc("config.reload")
    daemon.rpc(topic(daemon, other), job_shell.stdin(b"secret", eof=True))
    events(daemon, other)
    with pytest.raises(RpcError, match=r"guest\.input: key not found"):
        kept(daemon, other)


@pytest.mark.parametrize("jobspec", [real("sleep", "60", input="/dev/null"), simulated(None)])
def test_who_takes_no_input_has_no_such_service(
    shared_daemon: DaemonProcess, jobspec: dict[str, Any]
) -> None:
    """A file is read already; nobody reads in a simulated job."""
    id = submit(shared_daemon, jobspec)[0]
    assert refused(shared_daemon, topic(shared_daemon, id), job_shell.stdin(b"x")) == errno.ENOSYS
    shared_daemon.rpc("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})


async def test_who_writes_on_regardless_ends_the_job(shared_daemon: DaemonProcess) -> None:
    """More than input.limit bytes must not wait in the daemon's memory."""
    jobspec = real("sleep", "60", attributes={"shell.options.input.limit": "100k"})
    id = submit(shared_daemon, jobspec)[0]
    request = job_shell.stdin(bytes(200_000))
    async with Client(shared_daemon.uri) as client:
        stdin = topic(shared_daemon, id)
        first, second = await asyncio.gather(
            *(client.rpc(stdin, request) for _ in range(2)), return_exceptions=True
        )
    assert isinstance(second, RpcError)
    assert second.errnum == errno.ENOSPC
    if isinstance(first, RpcError):  # the job ended before its pipe was seen to break
        assert first.errnum == errno.EPIPE
    log = events(shared_daemon, id)
    assert "stdin exceeds the limit of 102400 bytes" in context(log, "exception")["note"]


def test_stdin_survives_the_daemon(daemon: DaemonProcess) -> None:
    """The next one writes to the same pipe."""
    id = submit(daemon, real("cat"))[0]
    stdin = topic(daemon, id)
    daemon.rpc(stdin, job_shell.stdin(b"a\n"))
    restart(daemon)
    daemon.rpc(stdin, job_shell.stdin(b"b\n", eof=True))
    assert "exception" not in names(events(daemon, id))
    assert stdout(daemon, id) == "a\nb\n"
