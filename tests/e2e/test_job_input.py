"""stdin by RPC, as flux job attach writes it: to a running job's shell."""

import asyncio
import errno
from typing import Any

import pytest

from jobmgrd.client import Client
from protocol import job_shell
from protocol.errors import RpcError
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
        answers = await asyncio.gather(
            *(client.rpc(stdin, request) for _ in range(2)), return_exceptions=True
        )
    assert [answer.errnum for answer in answers if isinstance(answer, RpcError)] == [
        errno.EPIPE,  # the job ended before it was read
        errno.ENOSPC,
    ]
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
