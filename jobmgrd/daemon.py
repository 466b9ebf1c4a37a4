"""The composition root: builds every part, starts them in order, takes them down in reverse.

run directory -> store -> engine -> router and services -> PUB -> ROUTER -> heartbeat
"""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

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
from jobmgrd.store.port import PurgeRecord
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.systemd import Notifier
from jobmgrd.transport.zmq_pub import ZmqPub
from jobmgrd.transport.zmq_router import ZmqRouter
from protocol import payload
from protocol.events import JOB_STATE, PURGE, JobStateEvent, PurgeEvent
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
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            StartError, StoreError: it could not start.
        """
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            await self._start(stack, tasks)
            await self._stop.wait()
            log.info("daemon.stopping")

    def stop(self) -> None:
        """Begin to stop."""
        self._stop.set()

    async def _start(self, stack: AsyncExitStack, tasks: asyncio.TaskGroup) -> None:
        config = self._loaded.config
        for directory in (self._rundir, self._statedir):
            make_private(directory)
        lock = Lock(self._rundir / "lock")
        lock.acquire()
        stack.callback(lock.release)
        store = SqliteStore(self._path(config.store.path), durability=config.store.durability)
        recovered = await store.open()
        stack.push_async_callback(store.close)

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(work)

        cred = Cred(os.getuid(), ROLE_OWNER | ROLE_LOCAL)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        router = Router(spawn)
        pub = ZmqPub(context, self._endpoints(config.events.bind), cred)
        stack.callback(pub.close)
        rpc = ZmqRouter(
            context,
            self._endpoints(config.rpc.bind),
            router.dispatch,
            cred=cred,
            max_message_size=config.rpc.max_message_size,
        )
        stack.callback(rpc.close)
        stack.callback(router.end_streams)

        engine = Engine(store, Scheduler(self._nodes(config)), self._make_executor, time.time)
        engine.max_jobid = recovered.max_jobid
        stack.push_async_callback(engine.stop, "jobmgrd was stopped")

        def publish_purge(event: PurgeEvent) -> None:
            pub.publish(PURGE, payload.encode(event))

        def publish_state(event: JobStateEvent) -> None:
            pub.publish(JOB_STATE, payload.encode(event))

        purge = Purge(engine, store, publish_purge, spawn, time.time, userid=cred.userid)
        heartbeat = Heartbeat(
            lambda topic: pub.publish(topic, payload.encode({})), config.heartbeat.period
        )
        heartbeat.listen(purge.on_heartbeat)
        job_state = JobState(publish_state)
        engine.listen(job_state)

        def apply(new: Config) -> None:
            logs.configure(new.daemon.log_level, new.daemon.log_format)
            heartbeat.configure(new.heartbeat.period)
            purge.configure(new.job_manager.limits, new.purge_budget)
            job_state.configure(enabled=new.events.job_state)

        journal = Journal(engine, store, router)
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
            EventService(pub.publish),
        ):
            router.add(service)
        router.add(Ping(sorted({topic.partition(".")[0] for topic in router.table})))

        apply(config)
        engine.recover(recovered.active)
        self._announce_again(heartbeat, purge, recovered.unpublished)
        self._handle_signals(config_service)
        try:
            pub.open()
            rpc.open()
        except zmq.ZMQError as error:
            raise StartError(f"cannot bind in {self._rundir}: {error}") from error
        beat = tasks.create_task(heartbeat.run())
        stack.callback(beat.cancel)
        notifier = Notifier()
        watchdog = tasks.create_task(notifier.watchdog())
        stack.callback(watchdog.cancel)
        stack.callback(notifier.send, "STOPPING=1")
        notifier.send("READY=1")
        log.info(
            "daemon.ready",
            version=VERSION,
            pid=os.getpid(),
            rundir=str(self._rundir),
            statedir=str(self._statedir),
            active_jobs=engine.active,
            inactive_jobs=store.stats().inactive,
            resources=str(engine.scheduler.totals),
        )

    def _announce_again(
        self, heartbeat: Heartbeat, purge: Purge, records: Sequence[PurgeRecord]
    ) -> None:
        """Publish batches that a dead daemon committed, once subscribers had time to come back."""
        waiting = list(records)

        def announce() -> None:
            for record in waiting:
                purge.announce(record)
            waiting.clear()

        heartbeat.listen(announce)

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
