"""The composition root: builds every part, starts them in order, takes them down in reverse.

run directory -> store -> engine -> router and services -> PUB -> ROUTER and local -> heartbeat
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import structlog
import zmq

from jobmgrd import VERSION
from jobmgrd.access import Access
from jobmgrd.archive.port import Archive, ArchiveError
from jobmgrd.archive.sqlite import SqliteArchive
from jobmgrd.clock import Clock
from jobmgrd.config import Loaded, expand
from jobmgrd.config.nodes import excluded, nodes, usable_cores
from jobmgrd.engine import Engine
from jobmgrd.exec.launch import Launcher
from jobmgrd.exec.port import ExecError, Executor, Notify
from jobmgrd.exec.remote import RemoteExecutor
from jobmgrd.exec.simulated import SimulatedExecutor
from jobmgrd.exec.switch import Switch
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.nodes import are_real
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.limits import Guard
from jobmgrd.private import make_private, private_umask
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router
from jobmgrd.services.assembly import Parts, Services, assemble
from jobmgrd.services.config import ConfigService
from jobmgrd.stopping import Stopping
from jobmgrd.store.lock import Lock
from jobmgrd.store.port import Recovered, Store
from jobmgrd.store.schema import Durability
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.systemd import Notifier
from jobmgrd.transport.sockets import Sockets
from protocol.message import ROLE_LOCAL, ROLE_OWNER, Cred

log = structlog.get_logger()

STOP_SECONDS: Final = 10.0
"""What a stop may take beyond the time that jobs have to end; systemd waits longer."""
CLOSE_SECONDS: Final = 1.0
"""What of it is left, if jobs take all, to close everything else."""


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
        self._stopping = Stopping(loaded.config.exec.kill_timeout + STOP_SECONDS)

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
        router = Router(tasks.create_task, Guard(self._loaded.config.limits))
        sockets = self._make_sockets(stack, router)
        await stack.enter_async_context(tasks)  # sockets and store outlive the tasks
        stack.callback(self._stopping.note, "requests")
        stack.callback(router.end_streams)
        self._make_engine(stack, recovered)
        self._engine.commits.hurried = router.turns.hurried
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
                admit_keys=sockets.admit_keys,
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
        await self._open_sockets(sockets)
        await self._open_metrics(stack, tasks, router, services, sockets)
        for work in (services.heartbeat.run(), notifier.watchdog()):
            stack.callback(tasks.create_task(work).cancel)
        stack.callback(notifier.send, "STOPPING=1")
        stack.callback(self._stopping.limit, self._engine.commits)
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
        self._store = self._make_store(
            Path(self._expand(config.path)), config.durability, self._clock
        )
        recovered = await self._store.open()
        stack.push_async_callback(self._store.close)
        stack.callback(self._stopping.note, "store")
        return recovered

    async def _open_archive(self, stack: AsyncExitStack) -> Archive | None:
        config = self._loaded.config.job_manager.archive
        if config is None:
            return None
        archive = SqliteArchive(Path(self._expand(config.path)))
        stack.push_async_callback(archive.close)
        stack.callback(self._stopping.note, "archive")
        try:
            await archive.open()
        except ArchiveError as error:  # jobs run and are kept; purging waits for it
            log.error("archive.failed", reason=str(error), errnum=error.errnum)
        return archive

    def _make_sockets(self, stack: AsyncExitStack, router: Router) -> Sockets:
        sockets = Sockets(
            self._loaded,
            self._rundir,
            self._expand,
            access=self._access,
            router=router,
            publisher=self._publisher,
            cred=self._cred,
        )
        stack.push_async_callback(sockets.close)
        return sockets

    async def _open_sockets(self, sockets: Sockets) -> None:
        try:
            await sockets.open()
        except (zmq.ZMQError, OSError) as error:
            raise StartError(f"cannot bind in {self._rundir} or at tcp://: {error}") from error

    async def _open_metrics(
        self,
        stack: AsyncExitStack,
        tasks: asyncio.TaskGroup,
        router: Router,
        services: Services,
        sockets: Sockets,
    ) -> None:
        bind = self._loaded.config.metrics.bind
        if bind is None:
            return
        from jobmgrd import metrics  # noqa: PLC0415 - costs a daemon that serves none nothing

        sources = metrics.Sources(services, self._store, router, self._publisher, sockets)
        address = self._expand(bind)
        server = metrics.serve(address, sources, tasks.create_task)
        try:
            with private_umask():
                await server.open()
        except OSError as error:
            raise StartError(f"cannot serve metrics on {address}: {error.strerror}") from error
        stack.callback(server.close)

    def _make_engine(self, stack: AsyncExitStack, recovered: Recovered) -> None:
        resource = self._loaded.config.resource
        found = nodes(resource)
        scheduler = Scheduler(found, excluded(resource, found))
        self._engine = Engine(self._store, scheduler, self._make_executor, self._clock)
        self._engine.max_jobid = recovered.max_jobid
        stack.push_async_callback(self._stop_engine)
        stack.callback(self._stopping.note, "jobs")

    async def _recover(self, recovered: Recovered, introduce: Callable[[Job], None]) -> None:
        try:
            await self._engine.recover(recovered, introduce)
        except ExecError as error:
            raise StartError(str(error)) from error

    async def _stop_engine(self) -> None:
        """Do with running jobs as configured; a daemon that fails leaves them to the next."""
        leave = not self._stop.is_set() or self._loaded.config.exec.on_stop == "leave"
        within = self._stopping.seconds - CLOSE_SECONDS
        await self._engine.stop("jobmgrd was stopped", leave=leave, within=within)

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
            bind=are_real(nodes(config.resource), usable_cores()),
        )
        return Switch(SimulatedExecutor(notify), real)

    def _expand(self, template: str) -> str:
        return expand(template, rundir=self._rundir, statedir=self._statedir)


def _reload(config: ConfigService, notifier: Notifier) -> None:
    """Read the configuration again; systemd waits until that is done (systemd.service(5))."""
    notifier.reloading()
    config.reload()
    notifier.send("READY=1")
