"""Our stdin on its way to the tasks of a job, no faster than they read."""

import asyncio
import errno
import io
import math
import os
import sys
from contextlib import suppress
from typing import Final

from jobmgrd.cli.failure import complain
from jobmgrd.cli.job.outcome import WATCH, entries
from jobmgrd.client import Client
from protocol import idset, job_shell
from protocol.errors import RpcError
from protocol.job import State

CHUNK: Final = 65536


async def forward_input(client: Client, id_: int, ranks: str = "all") -> None:
    """Write what we read to the tasks of these ranks, and close the stdin of the others.

    It ends with our stdin, with theirs, or with the job.
    """
    found = await _service(client, id_)
    if found is None:
        return
    service, ntasks = found
    topic = f"{service}.stdin"
    sent = False
    wanted, others = _split(ranks, ntasks)
    with suppress(RpcError):
        if others:
            await client.rpc(topic, job_shell.stdin(b"", others, eof=True), timeout=math.inf)
    source = _Source()
    while wanted:
        data = await source.read()
        try:
            request = job_shell.stdin(data, wanted, eof=not data)
            await client.rpc(topic, request, timeout=math.inf)
        except RpcError as error:
            if error.errnum == errno.ENOSYS and (sent or data) and await _runs(client, id_):
                complain("stdin not accepted by job")
            return
        if not data:
            return
        sent = True


async def _runs(client: Client, id_: int) -> bool:
    """Whether a job has not ended by itself meanwhile."""
    reply = await client.rpc("job-list.list-id", {"id": id_, "attrs": ["state"]})
    return bool(reply["job"]["state"] == State.RUN)


async def _service(client: Client, id_: int) -> tuple[str, int] | None:
    """The name of the job's shell, once it has started, and how many tasks it has."""
    request = {"id": id_, "path": "guest.exec.eventlog"}
    name = ""
    async for reply in client.stream(WATCH, request):
        for entry in entries(reply):
            context = entry.context or {}
            if entry.name == "shell.init":
                name = context["service"]
            if entry.name == "shell.start":
                taskmap = context["taskmap"]["map"]
                return name, sum(block[1] * block[2] * block[3] for block in taskmap)
    return None


def _split(ranks: str, ntasks: int) -> tuple[str, str]:
    """The tasks that are meant, "all" or an idset, and those that are not; "" for none."""
    if ranks == "all":
        return "all", ""
    wanted, tasks = set(idset.parse(ranks)), set(range(ntasks))
    if beyond := wanted - tasks:
        complain(f"stdin for {idset.format(beyond)}: the job has {ntasks} tasks, from 0")
    return idset.format(tasks & wanted), idset.format(tasks - wanted)


class _Source:
    """Our stdin, read when there is something to read."""

    def __init__(self) -> None:
        # A program that was started without a stdin has None here.
        self._stream = sys.stdin.buffer if sys.stdin else io.BytesIO()
        self._fd: int | None = None
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            self._fd = self._stream.fileno()

    async def read(self) -> bytes:
        """Some bytes; b"" at the end."""
        if self._fd is None:
            return self._stream.read(CHUNK)
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(self._fd, _settle, ready)
        except PermissionError:
            pass  # a file: it is always ready
        else:
            try:
                await ready
            finally:
                loop.remove_reader(self._fd)
        try:
            return os.read(self._fd, CHUNK)
        except OSError:  # a terminal that went away, or is another's
            return b""


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
