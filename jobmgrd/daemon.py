"""The composition root: builds every part, starts them in order, takes them down in reverse.

run directory -> store -> engine -> router and services -> PUB -> ROUTER and local -> heartbeat
"""

import asyncio
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

import structlog
import zmq

from jobmgrd import VERSION
from jobmgrd.access import Access
from jobmgrd.archive.port import Archive, ArchiveError
from jobmgrd.archive.sqlite import SqliteArchive
from jobmgrd.clock import Clock
from jobmgrd.config import Config, Loaded, expand
from jobmgrd.engine import Engine
from jobmgrd.exec.launch import Launcher
from jobmgrd.exec.port import ExecError, Executor, Notify
from jobmgrd.exec.remote import RemoteExecutor
from jobmgrd.exec.simulated import SimulatedExecutor
from jobmgrd.exec.switch import Switch
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.nodes import NodeConfig, are_real, configured, ranks_of
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.limits import Guard
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router
from jobmgrd.services.assembly import Parts, Services, assemble
from jobmgrd.services.config import ConfigService
from jobmgrd.store.lock import Lock
from jobmgrd.store.port import Recovered, Store
from jobmgrd.store.schema import Durability
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.systemd import Notifier
from jobmgrd.transport.curve import CurveTransport
from jobmgrd.transport.unix_local import UnixLocal
from jobmgrd.transport.zmq_pub import ZmqPub
from jobmgrd.transport.zmq_router import ZmqRouter
from protocol.message import ROLE_LOCAL, ROLE_OWNER, Cred

log = structlog.get_logger()

PRIVATE: Final = 0o700

STOP_SECONDS: Final = 10.0
"""What a stop may take beyond the time that jobs have to end; systemd waits longer."""
CLOSE_SECONDS: Final = 1.0
"""What of it is left, if jobs take all, to close everything else."""
PASSABLE: Final = 0o711
TCP: Final = "tcp://"


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""


MakeStore: TypeAlias = Callable[[Path, Durability, Callable[[], float]], Store]


def _sqlite(path: Path, durability: Durability, clock: Callable[[], float]) -> Store:
    return SqliteStore(path, durability=durability, clock=clock)


class Daemon:
    """One daemon, from start to stop."""

    def __init__(
        self,
        loaded: Loaded,
        config_path: Path | None,
        rundir: Path,
        statedir: Path,
        make_store: MakeStore = _sqlite,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._loaded = loaded
        self._config_path = config_path
        self._rundir = rundir
        self._statedir = statedir
        self._make_store = make_store
        self._launcher = Launcher(rundir / "exec", statedir / "exec.log")
        self._cred = Cred(os.getuid(), ROLE_OWNER | ROLE_LOCAL)
        self._clock = Clock(wall)
        self._access = Access(self._cred.userid)
        self._publisher = Publisher(self._cred)
        self._stop = asyncio.Event()
        self._closing = ""

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            StartError, StoreError: it could not start.
        """
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._stop.wait()
            log.info("daemon.stopping")

    def stop(self) -> None:
        """Begin to stop."""
        self._stop.set()

    async def _start(self, stack: AsyncExitStack) -> None:
        tasks = asyncio.TaskGroup()
        self._take_directories(stack)
        recovered = await self._open_store(stack)
        archive = await self._open_archive(stack)
        router = self._make_sockets(stack, tasks)
        await stack.enter_async_context(tasks)  # sockets and store outlive the tasks
        stack.callback(self._note_closing, "requests")
        stack.callback(router.end_streams)
        self._make_engine(stack, recovered)
        services = await assemble(
            Parts(
                loaded=self._loaded,
                config_path=self._config_path,
                cred=self._cred,
                engine=self._engine,
                store=self._store,
                archive=archive,
                recovered=recovered,
                router=router,
                publisher=self._publisher,
                spawn=tasks.create_task,
                clock=self._clock,
                access=self._access,
                admit_keys=self._admit_keys,
                rundir=self._rundir,
                statedir=self._statedir,
            )
        )
        stack.callback(services.purge_log.close)
        stack.callback(services.wait.close)
        await self._recover(recovered, services.plugins.introduce)
        await services.dependencies.recover()
        services.plugins.ask_again()
        notifier = Notifier()
        self._handle_signals(partial(_reload, services.config, notifier))
        await self._open_sockets()
        await self._open_metrics(stack, tasks, router, services)
        for work in (services.heartbeat.run(), notifier.watchdog()):
            stack.callback(tasks.create_task(work).cancel)
        stack.callback(notifier.send, "STOPPING=1")
        stack.callback(self._limit_stop)
        notifier.send("READY=1")
        log.info(
            "daemon.ready",
            version=VERSION,
            pid=os.getpid(),
            rundir=str(self._rundir),
            statedir=str(self._statedir),
            active_jobs=self._engine.active,
            inactive_jobs=self._store.stats().inactive,
            resources=str(self._engine.allocator.scheduler.totals),
        )

    def _take_directories(self, stack: AsyncExitStack) -> None:
        make_private(self._rundir, guests=self._loaded.config.access.allow_guest_user)
        make_private(self._statedir)
        lock = Lock(self._rundir / "lock")
        lock.acquire()
        stack.callback(lock.release)
        with suppress(OSError):  # a supervisor starts while the store opens; see Engine.recover
            self._launcher.reach().close()

    async def _open_store(self, stack: AsyncExitStack) -> Recovered:
        config = self._loaded.config.store
        self._store = self._make_store(self._path(config.path), config.durability, self._clock)
        recovered = await self._store.open()
        stack.push_async_callback(self._store.close)
        stack.callback(self._note_closing, "store")
        return recovered

    def _make_sockets(self, stack: AsyncExitStack, tasks: asyncio.TaskGroup) -> Router:
        config = self._loaded.config
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        router = Router(tasks.create_task, Guard(config.limits))
        self._pub = ZmqPub(context, _local(self._endpoints(config.events.bind)), self._cred)
        self._publisher.add(self._pub)
        stack.callback(self._pub.close)
        self._rpc = ZmqRouter(
            context,
            _local(self._endpoints(config.rpc.bind)),
            router.dispatch,
            cred=self._cred,
            guard=router.guard,
        )
        stack.callback(self._rpc.close)
        self._curve = self._make_curve(context, router, stack)
        self._local = UnixLocal(
            self._rundir / "local",
            self._access,
            router.dispatch,
            router.disconnect,
            guard=router.guard,
        )
        router.add(self._local)
        stack.push_async_callback(self._local.close)
        return router

    def _make_curve(
        self, context: "zmq.Context[zmq.Socket[bytes]]", router: Router, stack: AsyncExitStack
    ) -> CurveTransport | None:
        config, keys = self._loaded.config, self._loaded.keys
        if keys is None:
            return None
        curve = CurveTransport(
            context,
            _remote(config.rpc.bind),
            _remote(config.events.bind),
            keys.own,
            router.dispatch,
            router.expel,
            cred=self._cred,
            guard=router.guard,
            monotonic=time.monotonic,
        )
        stack.callback(curve.close)
        self._publisher.add(curve)
        return curve

    def _admit_keys(self, creds: Mapping[str, Cred]) -> None:
        if self._curve is not None:
            self._curve.configure(creds)

    async def _open_sockets(self) -> None:
        umask = os.umask(0o077)  # none but the owner may connect to ZeroMQ's
        try:
            self._pub.open()
            self._rpc.open()
            if self._curve is not None:
                self._curve.open()
            await self._local.open()
        except (zmq.ZMQError, OSError) as error:
            raise StartError(f"cannot bind in {self._rundir} or at tcp://: {error}") from error
        finally:
            os.umask(umask)

    async def _open_metrics(
        self, stack: AsyncExitStack, tasks: asyncio.TaskGroup, router: Router, services: Services
    ) -> None:
        bind = self._loaded.config.metrics.bind
        if bind is None:
            return
        from jobmgrd import metrics  # noqa: PLC0415 - costs a daemon that serves none nothing

        sources = metrics.Sources(
            services=services,
            store=self._store,
            router=router,
            publisher=self._publisher,
            pub=self._pub,
            rpc=self._rpc,
            local=self._local,
        )
        (address,) = self._endpoints([bind])
        server = metrics.serve(address, sources, tasks.create_task)
        umask = os.umask(0o077)
        try:
            await server.open()
        except OSError as error:
            raise StartError(f"cannot serve metrics on {address}: {error.strerror}") from error
        finally:
            os.umask(umask)
        stack.callback(server.close)

    def _make_engine(self, stack: AsyncExitStack, recovered: Recovered) -> None:
        nodes = self._nodes(self._loaded.config)
        hosts = {node.rank: node.host for node in nodes}
        excluded = ranks_of(self._loaded.config.resource.exclude, hosts)
        scheduler = Scheduler(nodes, excluded)
        self._engine = Engine(self._store, scheduler, self._make_executor, self._clock)
        self._engine.max_jobid = recovered.max_jobid
        stack.push_async_callback(self._stop_engine)
        stack.callback(self._note_closing, "jobs")

    async def _recover(self, recovered: Recovered, introduce: Callable[[Job], None]) -> None:
        try:
            await self._engine.recover(recovered, introduce)
        except ExecError as error:
            raise StartError(str(error)) from error

    async def _stop_engine(self) -> None:
        """Do with running jobs as configured; a daemon that fails leaves them to the next."""
        leave = not self._stop.is_set() or self._loaded.config.exec.on_stop == "leave"
        within = self._stop_seconds - CLOSE_SECONDS
        await self._engine.stop("jobmgrd was stopped", leave=leave, within=within)

    @property
    def _stop_seconds(self) -> float:
        return self._loaded.config.exec.kill_timeout + STOP_SECONDS

    def _note_closing(self, part: str) -> None:
        """Remember what is taken down next, for who asks what a stop waits for."""
        self._closing = part

    def _limit_stop(self) -> None:
        """Let the stop that begins now take so long and no longer, whatever it waits for.

        A file system that hangs holds the store's threads, which nobody can end, and asyncio and
        the interpreter would wait for them: the process has to go without them.
        """
        asyncio.get_running_loop().call_later(self._stop_seconds, self._abandon)

    def _abandon(self) -> NoReturn:
        """Leave everything as a crash would: what was answered is durable, the rest is not."""
        log.error(
            "daemon.stop-incomplete",
            waiting_for=self._closing,
            unwritten_jobs=self._engine.commits.unwritten,
            reason=self._engine.commits.failure or "it does not come back",
        )
        sys.stderr.flush()
        os._exit(1)

    async def _open_archive(self, stack: AsyncExitStack) -> Archive | None:
        config = self._loaded.config.job_manager.archive
        if config is None:
            return None
        archive = SqliteArchive(self._path(config.path))
        stack.push_async_callback(archive.close)
        stack.callback(self._note_closing, "archive")
        try:
            await archive.open()
        except ArchiveError as error:  # jobs run and are kept; purging waits for it
            log.error("archive.failed", reason=str(error), errnum=error.errnum)
        return archive

    def _handle_signals(self, reload: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, reload)

    def _make_executor(self, notify: Notify) -> Executor:
        config = self._loaded.config
        real = RemoteExecutor(
            notify,
            self._launcher,
            kill_timeout=config.exec.kill_timeout,
            output_limit=config.exec.output_limit,
            bind=are_real(self._nodes(config), len(os.sched_getaffinity(0))),
        )
        return Switch(SimulatedExecutor(notify), real)

    def _nodes(self, config: Config) -> Sequence[NodeConfig]:
        if config.resource.config:
            return configured(config.resource.config)
        cores = config.resource.cores
        if cores is None:
            cores = len(os.sched_getaffinity(0))
        return [NodeConfig(0, socket.gethostname(), cores, config.resource.gpus)]

    def _path(self, template: str) -> Path:
        return Path(expand(template, rundir=self._rundir, statedir=self._statedir))

    def _endpoints(self, templates: Sequence[str]) -> Sequence[str]:
        return [expand(t, rundir=self._rundir, statedir=self._statedir) for t in templates]


def _local(endpoints: Sequence[str]) -> Sequence[str]:
    return [endpoint for endpoint in endpoints if not endpoint.startswith(TCP)]


def _remote(endpoints: Sequence[str]) -> Sequence[str]:
    return [endpoint for endpoint in endpoints if endpoint.startswith(TCP)]


def _reload(config: ConfigService, notifier: Notifier) -> None:
    """Read the configuration again; systemd waits until that is done (systemd.service(5))."""
    notifier.reloading()
    config.reload()
    notifier.send("READY=1")


def make_private(directory: Path, *, guests: bool = False) -> None:
    """Make a directory that only its owner may enter, or check that it is one.

    Guests may pass through theirs to the one socket that lets them in, and cannot list it.

    Raises:
        StartError: it cannot be made, is not ours, or others may enter it.
    """
    try:
        directory.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise StartError(f"cannot use {directory}: {error.strerror}") from error
    if status.st_uid != os.getuid():
        raise StartError(f"{directory} belongs to user {status.st_uid}, expected {os.getuid()}")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 and mode != PASSABLE:
        raise StartError(f"{directory} is open to others (mode {mode:04o}), expected 0700")
    expected = PASSABLE if guests else PRIVATE
    if mode & 0o777 != expected and (guests or mode == PASSABLE):
        directory.chmod(expected)
