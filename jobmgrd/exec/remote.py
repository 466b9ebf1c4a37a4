"""The executor whose attempts outlive the daemon: a supervisor process runs them.

A lost supervisor fails the attempts that it ran; the next attempt starts another supervisor.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct, msgpack

from jobmgrd.exec import wire
from jobmgrd.exec.connection import Connection
from jobmgrd.exec.launch import Launcher
from jobmgrd.exec.port import Attempt, ExecError, Executor, Failed, Fate, Finished, Input, Notify
from jobmgrd.exec.wire import (
    Acknowledge,
    Begin,
    Cancel,
    FromSupervisor,
    Hello,
    Shutdown,
    Signal,
    Start,
    Welcome,
    Write,
)

log = structlog.get_logger()

ANSWER_TIMEOUT: Final = 20.0
"""Seconds that a supervisor may take to start and answer."""

_TRIES: Final = 3
_LOST: Final = "lost contact with the job's processes: their supervisor ended"
_DECODER: Final = msgpack.Decoder(list[FromSupervisor])


class RemoteExecutor(Executor):
    """Has attempts run by the supervisor that a launcher reaches.

    Args:
        notify: told what happens, on the running event loop, and never from inside a call of
            `start`, `signal` or `cancel`.
        launcher: where the supervisor is.
        kill_timeout: seconds from SIGTERM to SIGKILL.
        output_limit: bytes of an attempt's output to tell.
        bind: whether the cores of jobs are those of this host, to bind tasks to.
    """

    def __init__(
        self,
        notify: Notify,
        launcher: Launcher,
        *,
        kill_timeout: float,
        output_limit: int,
        bind: bool = False,
    ) -> None:
        self._notify = notify
        self._launcher = launcher
        self._kill_timeout = kill_timeout
        self._output_limit = output_limit
        self._bind = bind
        self._attempts: dict[int, None] = {}  # an ordered set; those to tell of
        self._connection: Connection[FromSupervisor] | None = None  # once it is welcome
        self._welcome: asyncio.Future[Welcome] | None = None  # until it is
        self._found = Welcome(wire.VERSION, 0, "", 0, (), ())
        self._durable = ("", 0)  # a supervisor's uuid, and the number of an event
        self._told = 0  # the number of the last event
        self._waiting: list[Struct] = []  # messages for the next supervisor
        self._reconnecting: asyncio.Task[None] | None = None
        self._terminating = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def position(self) -> bytes:
        """The supervisor's uuid, and the number of the last event told."""
        return f"{self._found.uuid} {self._told}".encode()

    async def open(self, position: bytes) -> None:
        """Connect to the supervisor, after starting one if there is none."""
        if position:
            try:
                uuid, number = position.decode().split()
                self._durable = (uuid, int(number))
            except ValueError as error:  # then a supervisor's jobs are known, and others lost
                log.error("exec.position-lost", reason=str(error))
        await self._connect()

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:  # noqa: ARG002 - it is known
        """See Executor.

        The position names the supervisor that every earlier attempt was given to, and it knows
        each until its end is acknowledged: what it does not know was never given to it.
        """
        if attempt.id in self._found.running:
            fate = Fate.RUNNING
        elif attempt.id in self._found.ended:
            fate = Fate.ENDED
        else:
            same = self._found.uuid == self._durable[0]
            return Fate.NEVER_STARTED if same else Fate.LOST
        self._add(attempt.id)
        return fate

    def begin(self) -> None:
        """See Executor."""
        for id_ in self._found.running:
            if id_ not in self._attempts:
                log.warning("exec.stray-cancelled", id=id_)
                self._say(Cancel(id_))
        self._say(Begin())

    def start(self, attempt: Attempt) -> None:
        """Have the supervisor start an attempt; if there is none, start a supervisor first."""
        if self._terminating:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._notify, Failed(attempt.id, "executor is closed"))
            return
        self._add(attempt.id)
        self._say(Start(attempt))
        if self._connection is None and self._reconnecting is None:
            self._reconnecting = asyncio.create_task(self._reconnect())

    def signal(self, id: int, signum: int) -> None:
        """See Executor."""
        if id in self._attempts:
            self._say(Signal(id, signum))

    def write(self, id: int, input: Input) -> None:
        """See Executor."""
        if id in self._attempts:
            self._say(Write(id, input))

    def cancel(self, id: int) -> None:
        """See Executor."""
        if id in self._attempts:
            self._say(Cancel(id))

    def acknowledge(self, position: bytes) -> None:
        """See Executor."""
        uuid, number = position.decode().split()
        if uuid == self._found.uuid and self._connection is not None:
            self._durable = (uuid, int(number))
            self._say(Acknowledge(int(number)))

    async def terminate(self) -> None:
        """Cancel every attempt and wait for the ends; the supervisor ends when it is left."""
        self._terminating = True
        for id_ in self._attempts:
            self._say(Cancel(id_))
        await self._idle.wait()
        self._say(Shutdown())

    async def close(self) -> None:
        """Leave the supervisor; what it runs goes on."""
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._reconnecting
        if self._connection is not None:
            await self._connection.close()

    def _add(self, id_: int) -> None:
        self._attempts[id_] = None
        self._idle.clear()

    def _forget(self, id_: int) -> None:
        del self._attempts[id_]
        if not self._attempts:
            self._idle.set()

    def _say(self, message: Struct) -> None:
        if self._connection is None:
            self._waiting.append(message)
        else:
            self._connection.send(message)

    def _received(self, _connection: Connection[FromSupervisor], message: FromSupervisor) -> None:
        if isinstance(message, Welcome):
            if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(message)
            return
        if self._closed:
            return
        self._told += 1
        if message.id not in self._attempts:
            return
        if isinstance(message, Finished | Failed):
            self._forget(message.id)
        try:
            self._notify(message)
        except Exception as error:  # noqa: BLE001 - one job's trouble must not cost the others
            context = {"message": "an event of an attempt was not taken", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _lost(self, connection: Connection[FromSupervisor]) -> None:
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(ConnectionResetError())
        if connection is self._connection:
            self._connection = None
            if not self._closed:
                log.error("exec.supervisor-lost", pid=self._found.pid, jobs=len(self._attempts))
                self._fail(_LOST)

    def _fail(self, note: str) -> None:
        self._waiting.clear()
        for id_ in tuple(self._attempts):
            self._forget(id_)
            self._notify(Failed(id_, note))

    async def _reconnect(self) -> None:
        """Give the attempts that wait to a new supervisor."""
        try:
            await self._connect()
        except ExecError as error:
            self._fail(str(error))
        else:
            waiting, self._waiting = self._waiting, []
            self.begin()
            for message in waiting:
                self._say(message)
        finally:
            self._reconnecting = None

    async def _connect(self) -> None:
        """Say Hello until somebody answers; a supervisor may be about to end.

        Raises:
            ExecError: nobody does, or only one of another version.
        """
        for _ in range(_TRIES):
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    self._connection, self._found = await self._greet()
            except ConnectionResetError:
                continue
            except (OSError, TimeoutError) as error:
                raise ExecError(f"cannot reach the supervisor of jobs: {error}") from error
            self._told = self._found.number
            log.info(
                "exec.connected",
                supervisor_pid=self._found.pid,
                running=len(self._found.running),
                ended=len(self._found.ended),
            )
            return
        raise ExecError("the supervisor of jobs ends as soon as it is started")

    def _hello(self) -> Hello:
        return Hello(
            wire.VERSION, *self._durable, self._kill_timeout, self._output_limit, self._bind
        )

    async def _greet(self) -> tuple[Connection[FromSupervisor], Welcome]:
        loop = asyncio.get_running_loop()
        self._welcome = loop.create_future()
        sock = self._launcher.reach()
        _, connection = await loop.create_unix_connection(
            lambda: Connection(_DECODER, self._received, self._lost), sock=sock
        )
        hello = self._hello()
        connection.send(hello)
        try:
            welcome = await self._welcome
        except BaseException:
            connection.abort()
            raise
        if welcome.version != hello.version:
            connection.abort()
            raise ExecError(
                f"jobs still run under the supervisor of another version (pid {welcome.pid}): "
                "wait until it ends, or end them with SIGTERM to it"
            )
        return connection, welcome
