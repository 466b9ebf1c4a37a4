"""The process that starts, watches and reaps jobs' processes, so that the daemon may end.

    python -m jobmgrd.exec.supervisor RUNDIR LINGER    with a listening unix socket as stdin

There is one for each run directory: the daemon starts it when nobody answers at RUNDIR/exec, and
finds it there after a restart. It keeps what happens until a daemon says that it is durable. While
no daemon comes, it goes on; jobs block in writing once BACKLOG_LIMIT bytes wait to be told. After
LINGER seconds without a daemon, it ends if there is nothing that it could be asked for.

SIGTERM ends its jobs and then itself, as does a shutdown of the host. SIGKILL ends it alone: its
jobs' processes go on without anybody to watch them, and a daemon reports the jobs as lost.

It imports no more than it needs: it starts in 0.1 s, and stays small for as long as jobs run.
"""

import asyncio
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from msgspec import msgpack

from jobmgrd.exec import wire
from jobmgrd.exec.backlog import Backlog
from jobmgrd.exec.connection import Connection
from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import ExecEvent, Failed, Finished
from jobmgrd.exec.tmpdir import remove_all
from jobmgrd.exec.wire import (
    Acknowledge,
    Begin,
    Cancel,
    FromDaemon,
    Hello,
    Shutdown,
    Signal,
    Start,
    Welcome,
    Write,
)

BACKLOG_LIMIT: Final = 64 << 20
"""Bytes of events to keep before output is left in the pipes; read again below half of it."""

_DECODER: Final = msgpack.Decoder(list[FromDaemon])


class Supervisor:
    """Runs attempts, and tells them to one daemon at a time.

    Args:
        rundir: where jobs run that name no directory.
        path: of the socket; without it, no daemon can come any more.
        linger: seconds to wait for a daemon before ending if idle.
    """

    def __init__(self, rundir: Path, path: Path, linger: float) -> None:
        self.done = asyncio.Event()
        """Set when there is nothing more to do."""
        self._path = path
        self._inode = path.stat().st_ino
        self._linger = linger
        self._uuid = os.urandom(16).hex()
        self._backlog = Backlog()
        self._running: dict[int, None] = {}  # an ordered set
        self._local = LocalExecutor(
            self._keep, kill_timeout=0.0, output_limit=0, rundir=str(rundir)
        )
        self._daemon: Connection[FromDaemon] | None = None
        self._telling = False
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        self._look_later()

    def connect(self) -> Connection[FromDaemon]:
        """A new connection, for somebody who has yet to say Hello."""
        return Connection(_DECODER, self._received, self._lost)

    async def close(self) -> None:
        """End all attempts, tell it if somebody listens, and end the connection."""
        await self._local.terminate()
        if self._timer is not None:
            self._timer.cancel()
        if self._daemon is not None:
            await self._daemon.close()

    def _received(self, connection: Connection[FromDaemon], message: FromDaemon) -> None:
        if isinstance(message, Hello):
            self._welcome(connection, message)
        elif connection is self._daemon:
            self._obey(connection, message)

    def _welcome(self, connection: Connection[FromDaemon], hello: Hello) -> None:
        if connection.peer_uid != os.getuid():
            connection.abort()
            return
        if hello.version == wire.VERSION:
            self._take(connection, hello)
        connection.send(
            Welcome(
                wire.VERSION,
                os.getpid(),
                self._uuid,
                self._backlog.acknowledged,
                tuple(self._running),
                self._backlog.ended,
            )
        )

    def _take(self, connection: Connection[FromDaemon], hello: Hello) -> None:
        """Let this be the daemon from now on."""
        if self._daemon is not None:
            self._daemon.abort()
        if self._timer is not None:
            self._timer.cancel()
        self._daemon = connection
        self._telling = self._leaving = False
        self._local.configure(
            kill_timeout=hello.kill_timeout, output_limit=hello.output_limit, bind=hello.bind
        )
        if hello.uuid == self._uuid:
            self._acknowledge(hello.number)

    def _obey(self, daemon: Connection[FromDaemon], message: FromDaemon) -> None:
        match message:
            case Start(attempt):
                if attempt.id not in self._running:
                    self._running[attempt.id] = None
                    self._local.start(attempt)
            case Acknowledge(number):
                self._acknowledge(number)
            case Cancel(id):
                self._local.cancel(id)
            case Write(id, given):
                self._local.write(id, given)
            case Signal(id, signum):
                self._local.signal(id, signum)
            case Begin():
                self._telling = True
                for event in self._backlog:
                    daemon.send_encoded(event)
            case Shutdown():
                self._leaving = True

    def _acknowledge(self, number: int) -> None:
        self._backlog.acknowledge(number)
        if self._backlog.size < BACKLOG_LIMIT // 2:
            self._local.read(reading=True)

    def _keep(self, event: ExecEvent) -> None:
        """Tell an event, and keep it until it is acknowledged."""
        encoded = wire.encode(event)
        if isinstance(event, Finished | Failed):
            del self._running[event.id]
            self._backlog.add(encoded, ended=event.id)
        else:
            self._backlog.add(encoded)
        if self._telling and self._daemon is not None:
            self._daemon.send_encoded(encoded)
        if self._backlog.size > BACKLOG_LIMIT:
            self._local.read(reading=False)

    def _lost(self, connection: Connection[FromDaemon]) -> None:
        if connection is not self._daemon:
            return
        self._daemon = None
        self._telling = False
        if self._leaving:
            self._look()
        else:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._linger, self._look)

    def _look(self) -> None:
        """End if nothing runs, and nothing is to tell or nobody can come to hear it."""
        if self._running or (self._backlog and self._reachable()):
            self._look_later()
        else:
            self.done.set()

    def _reachable(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False


def _open_many_files() -> None:
    """A running task takes four descriptors, and tasks have limits of their own."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(rundir: Path, linger: float, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    _open_many_files()
    remove_all(str(rundir))  # of jobs that were lost with the last supervisor
    supervisor = Supervisor(rundir, Path(listener.getsockname()), linger)
    # A hangup or an interrupt of the daemon's terminal is not meant for those who outlive it.
    for signum in (signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, supervisor.done.set)
    server = await loop.create_unix_server(supervisor.connect, sock=listener)
    await supervisor.done.wait()
    server.close()
    await supervisor.close()


def main() -> None:
    """Serve the socket on stdin until there is nothing to do."""
    rundir, linger = sys.argv[1:]
    asyncio.run(_serve(Path(rundir), float(linger), socket.socket(fileno=sys.stdin.fileno())))


if __name__ == "__main__":
    main()
