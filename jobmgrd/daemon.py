"""The composition root: builds every part, starts them in order, takes them down in reverse.

run directory -> store -> engine -> router and services -> PUB -> ROUTER -> heartbeat
"""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import zmq

from jobmgrd import VERSION, logs
from jobmgrd.config import Config, Loaded, expand
from jobmgrd.engine import Engine
from jobmgrd.exec.local import LocalExecutor
from jobmgrd.exec.port import Executor, Notify
from jobmgrd.exec.simulated import SimulatedExecutor
from jobmgrd.exec.switch import Switch
from jobmgrd.jobs.scheduler import NodeConfig, Scheduler
from jobmgrd.router import Router
from jobmgrd.services.broker import Ping
from jobmgrd.services.config import ConfigService
from jobmgrd.services.event import EventService
from jobmgrd.services.getattr import Getattr
from jobmgrd.services.heartbeat import Heartbeat
from jobmgrd.services.job_info import JobInfo
from jobmgrd.services.job_ingest import JobIngest
from jobmgrd.services.job_list import JobList
from jobmgrd.services.job_state import JobState
from jobmgrd.services.journal import Journal
from jobmgrd.services.purge import Purge
from jobmgrd.services.raise_ import Raise
from jobmgrd.services.stats import Stats
from jobmgrd.services.urgency import Urgency
from jobmgrd.store.lock import Lock
from jobmgrd.store.port import PurgeRecord, Recovered
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.systemd import Notifier
from jobmgrd.transport.zmq_pub import ZmqPub
from jobmgrd.transport.zmq_router import ZmqRouter
from protocol import payload
from protocol.events import JOB_STATE, PURGE
from protocol.message import ROLE_LOCAL, ROLE_OWNER, Cred

log = structlog.get_logger()

PRIVATE: Final = 0o700


class StartError(Exception):
    """The daemon cannot start; the text is for the person who started it."""


class Daemon:
    """One daemon, from start to stop."""

    def __init__(
        self, loaded: Loaded, config_path: Path | None, rundir: Path, statedir: Path
    ) -> None:
        self._loaded = loaded
        self._config_path = config_path
        self._rundir = rundir
        self._statedir = statedir
        self._cred = Cred(os.getuid(), ROLE_OWNER | ROLE_LOCAL)
        self._stop = asyncio.Event()

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
        router = self._make_sockets(stack, tasks)
        await stack.enter_async_context(tasks)  # sockets and store outlive the tasks
        stack.callback(router.end_streams)
        self._make_engine(stack, recovered)
        heartbeat, config_service = self._make_services(router, tasks, recovered)
        self._handle_signals(config_service)
        self._open_sockets()
        notifier = Notifier()
        for work in (heartbeat.run(), notifier.watchdog()):
            stack.callback(tasks.create_task(work).cancel)
        stack.callback(notifier.send, "STOPPING=1")
        notifier.send("READY=1")
        log.info(
            "daemon.ready",
            version=VERSION,
            pid=os.getpid(),
            rundir=str(self._rundir),
            statedir=str(self._statedir),
            active_jobs=self._engine.active,
            inactive_jobs=self._store.stats().inactive,
            resources=str(self._engine.scheduler.totals),
        )

    def _take_directories(self, stack: AsyncExitStack) -> None:
        for directory in (self._rundir, self._statedir):
            make_private(directory)
        lock = Lock(self._rundir / "lock")
        lock.acquire()
        stack.callback(lock.release)

    async def _open_store(self, stack: AsyncExitStack) -> Recovered:
        config = self._loaded.config.store
        self._store = SqliteStore(self._path(config.path), durability=config.durability)
        recovered = await self._store.open()
        stack.push_async_callback(self._store.close)
        return recovered

    def _make_sockets(self, stack: AsyncExitStack, tasks: asyncio.TaskGroup) -> Router:
        config = self._loaded.config
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        router = Router(tasks.create_task)
        self._pub = ZmqPub(context, self._endpoints(config.events.bind), self._cred)
        stack.callback(self._pub.close)
        self._rpc = ZmqRouter(
            context,
            self._endpoints(config.rpc.bind),
            router.dispatch,
            cred=self._cred,
            max_message_size=config.rpc.max_message_size,
        )
        stack.callback(self._rpc.close)
        return router

    def _open_sockets(self) -> None:
        try:
            self._pub.open()
            self._rpc.open()
        except zmq.ZMQError as error:
            raise StartError(f"cannot bind in {self._rundir}: {error}") from error

    def _make_engine(self, stack: AsyncExitStack, recovered: Recovered) -> None:
        scheduler = Scheduler(self._nodes(self._loaded.config))
        self._engine = Engine(self._store, scheduler, self._make_executor, time.time)
        self._engine.recover(recovered)
        stack.push_async_callback(self._engine.stop, "jobmgrd was stopped")

    def _make_services(
        self, router: Router, tasks: asyncio.TaskGroup, recovered: Recovered
    ) -> tuple[Heartbeat, ConfigService]:
        engine, store = self._engine, self._store
        config = self._loaded.config
        publish = self._pub.publish
        purge = Purge(
            engine,
            store,
            lambda event: publish(PURGE, payload.encode(event)),
            tasks.create_task,
            time.time,
            userid=self._cred.userid,
        )
        heartbeat = Heartbeat(
            lambda topic: publish(topic, payload.encode({})), config.heartbeat.period
        )
        heartbeat.listen(partial(_announce_again, purge, list(recovered.unpublished)))
        heartbeat.listen(purge.on_heartbeat)
        job_state = JobState(lambda event: publish(JOB_STATE, payload.encode(event)))
        engine.listen(job_state)
        journal = Journal(engine, store, router)

        def apply(new: Config) -> None:
            logs.configure(new.daemon.log_level, new.daemon.log_format)
            heartbeat.configure(new.heartbeat.period)
            purge.configure(new.job_manager.limits, new.purge_budget)
            job_state.configure(enabled=new.events.job_state)

        apply(config)
        config_service = ConfigService(self._config_path, self._loaded, apply)
        for service in (
            JobIngest(engine, time.monotonic),
            JobInfo(engine, store, router),
            JobList(engine, store),
            Raise(engine, store),
            Urgency(engine, store),
            Getattr(engine, store),
            purge,
            journal,
            Stats(engine, store, purge, journal),
            heartbeat,
            config_service,
            EventService(publish),
        ):
            router.add(service)
        router.add(Ping(sorted({topic.partition(".")[0] for topic in router.table})))
        return heartbeat, config_service

    def _handle_signals(self, config_service: ConfigService) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, config_service.reload)

    def _make_executor(self, notify: Notify) -> Executor:
        config = self._loaded.config
        real = LocalExecutor(
            notify,
            kill_timeout=config.exec.kill_timeout,
            output_limit=config.exec.output_limit,
            default_cwd=str(self._rundir),
        )
        return Switch(SimulatedExecutor(notify), real)

    def _nodes(self, config: Config) -> Sequence[NodeConfig]:
        cores = config.resource.cores
        if cores is None:
            cores = len(os.sched_getaffinity(0))
        return [NodeConfig(0, socket.gethostname(), cores, config.resource.gpus)]

    def _path(self, template: str) -> Path:
        return Path(expand(template, rundir=self._rundir, statedir=self._statedir))

    def _endpoints(self, templates: Sequence[str]) -> Sequence[str]:
        return [expand(t, rundir=self._rundir, statedir=self._statedir) for t in templates]


def _announce_again(purge: Purge, records: list[PurgeRecord]) -> None:
    """Publish batches that a dead daemon committed, once subscribers had time to come back."""
    for record in records:
        purge.announce(record)
    records.clear()


def make_private(directory: Path) -> None:
    """Make a directory that only its owner may enter, or check that it is one.

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
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise StartError(f"{directory} is open to others (mode {mode:04o}), expected 0700")
