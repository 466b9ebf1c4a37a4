"""Wires every service: what each is given, who listens to whom, what a reload reaches."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from jobmgrd import logs
from jobmgrd.access import Access
from jobmgrd.archive.port import Archive
from jobmgrd.clock import Clock
from jobmgrd.config import ConfigError, Loaded
from jobmgrd.config.schema import JobManager
from jobmgrd.engine import Engine
from jobmgrd.log_ring import RING
from jobmgrd.plugins.guard import Plugin
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router, Spawn
from jobmgrd.services.annotate import Annotate
from jobmgrd.services.attr import Attr, attributes
from jobmgrd.services.broker import Broker
from jobmgrd.services.config import ConfigService
from jobmgrd.services.dependencies import Dependencies
from jobmgrd.services.drain import Drain
from jobmgrd.services.event import EventService
from jobmgrd.services.feasibility import Feasibility
from jobmgrd.services.getattr import Getattr
from jobmgrd.services.health import Health
from jobmgrd.services.heartbeat import Heartbeat
from jobmgrd.services.history import History
from jobmgrd.services.holds import Holds
from jobmgrd.services.housekeeping import HousekeepingKill
from jobmgrd.services.job_info import JobInfo
from jobmgrd.services.job_ingest import JobIngest
from jobmgrd.services.job_list import JobList
from jobmgrd.services.job_list_id import JobListId
from jobmgrd.services.job_state import JobState
from jobmgrd.services.job_stats import JobStats
from jobmgrd.services.journal import Journal
from jobmgrd.services.kill import Kill
from jobmgrd.services.kvs import Kvs
from jobmgrd.services.list_ import List
from jobmgrd.services.log import Log
from jobmgrd.services.memo import Memo
from jobmgrd.services.method import Methods
from jobmgrd.services.module import Modules
from jobmgrd.services.plugins import LoadError, Plugins
from jobmgrd.services.purge import Purge
from jobmgrd.services.purge_log import PurgeLog
from jobmgrd.services.purge_run import PurgeRun
from jobmgrd.services.purger import Purger
from jobmgrd.services.queue import QueueService
from jobmgrd.services.raise_ import Raise
from jobmgrd.services.resource import Resource
from jobmgrd.services.resource_drain import ResourceDrain
from jobmgrd.services.retention import Retention
from jobmgrd.services.shell import Shell
from jobmgrd.services.stats import Stats
from jobmgrd.services.totals import Totals
from jobmgrd.services.update import Update
from jobmgrd.services.urgency import Urgency
from jobmgrd.services.wait import Wait
from jobmgrd.store.port import PurgeRecord, Recovered, Store
from protocol import resource_set
from protocol.events import JOB_STATE, PURGE, PurgeEvent
from protocol.message import Cred

NO_JOB: Final = 0
"""An id that is never given."""


@dataclass(frozen=True)
class Parts:
    """What services are made of."""

    loaded: Loaded
    config_path: Path | None
    cred: Cred
    engine: Engine
    store: Store
    archive: Archive | None
    recovered: Recovered
    router: Router
    publisher: Publisher
    spawn: Spawn
    clock: Clock
    access: Access
    admit_keys: Callable[[Mapping[str, Cred]], None]
    rundir: Path
    statedir: Path


@dataclass(frozen=True)
class Services:
    """The services that the composition root starts and stops, or asks for numbers."""

    heartbeat: Heartbeat
    stats: Stats
    job_stats: JobStats
    config: ConfigService
    purge_log: PurgeLog
    wait: Wait
    dependencies: Dependencies
    plugins: Plugins


async def assemble(parts: Parts) -> Services:
    """Make every service and register its topics with the router.

    Raises:
        StoreError: the store cannot be read.
    """
    engine, store, router = parts.engine, parts.store, parts.router
    publish, clock, archive = parts.publisher.publish, parts.clock, parts.archive
    heartbeat = Heartbeat(lambda topic: publish(topic, {}), parts.loaded.config.heartbeat.period)
    holds = Holds(store, parts.spawn)
    retention = Retention(engine, store, parts.recovered, holds, parts.spawn, clock)
    engine.commits.class_of, engine.commits.rules_of = retention.class_of, holds.rules_of
    dependencies = Dependencies(engine, store, holds, clock, router.sees_all)
    plugins = Plugins(engine, clock)
    journal = Journal(engine, store, router)
    job_stats = JobStats(engine, store, router)
    annotate = Annotate(engine, journal.annotated)

    told = (partial(publish, PURGE), journal.purged, job_stats.purged, plugins.purged)
    epoch, seq = parts.recovered.epoch, store.stats().purge_seq
    purge_log = PurgeLog(store, router, partial(_announce, told), epoch=epoch, seq=seq)
    purger = Purger(store, archive, purge_log, clock)
    purge_run = PurgeRun(store, retention, purger, parts.spawn, clock, userid=parts.cred.userid)
    purge = Purge(engine, store, retention, purger, purge_run, clock, epoch)
    for periodic in (
        partial(_publish_again, purge_log, list(parts.recovered.unpublished)),
        retention.on_heartbeat,
        holds.on_heartbeat,
        dependencies.on_heartbeat,
        purge_run.on_heartbeat,
        purge_log.on_heartbeat,
        lambda: annotate.refresh() if journal.listeners else None,
    ):
        heartbeat.listen(periodic)
    job_state = JobState(lambda event: publish(JOB_STATE, event))
    totals = Totals(store)
    totals.begin(await store.totals())
    drain = Drain(engine, router)
    queues = QueueService(engine, store, parts.recovered.meta, drain.look_soon)
    resource_drain = ResourceDrain(engine, store, parts.recovered.meta, clock)
    engine.site.connect(_environ(parts.rundir), resource_drain.drain_ranks, parts.spawn)
    wait, shell = Wait(engine, store, router), Shell(engine, router)
    job_info, events = JobInfo(engine, store, router), EventService(publish, router)
    parts.publisher.add(events)
    for listener in (job_state, journal, totals, job_info, job_stats, drain, shell):
        engine.commits.listen(listener)

    def apply(loaded: Loaded) -> None:
        new = loaded.config
        prepared = _prepare(plugins, loaded)
        logs.configure(new.daemon.log_level, new.daemon.log_format)
        clock.accept()
        _let_in(parts, loaded)
        heartbeat.configure(new.heartbeat.period)
        retention.configure(new.job_manager.limits, new.job_manager.retention)
        store.limit_tombstones(new.job_manager.tombstone_limit)
        purge_run.configure(new.purge_budget)
        queues.configure(
            new.policy.policy,
            new.queues,
            stop_on_restart=new.job_manager.stop_queues_on_restart,
        )
        shell.configure(input_limit=new.exec.input_limit)
        job_state.configure(enabled=new.events.job_state)
        plugins.use(prepared)
        _configure_site(engine, new.job_manager)

    stats = Stats(engine, store, purge, journal, totals, archive, plugins, clock, router.guard)
    config = ConfigService(parts.config_path, parts.loaded, apply)
    apply(parts.loaded)
    for service in (
        JobIngest(engine, dependencies, plugins, router.guard, time.monotonic, parts.cred.userid),
        job_info,
        JobList(engine, store, router, annotate.refresh),
        JobListId(engine, store, router, annotate.refresh),
        job_stats,
        Raise(engine, store),
        Kill(engine, store),
        HousekeepingKill(engine.housekeeping),
        List(engine, wait.zombies),
        wait,
        Urgency(engine, store),
        Memo(engine, store, journal.annotated),
        Update(engine, store, clock, plugins.check_update, plugins.may_update),
        Getattr(engine, store),
        queues,
        drain,
        plugins,
        Feasibility(engine),
        Resource(engine, resource_drain),
        resource_drain,
        purge,
        purge_log,
        retention,
        totals,
        journal,
        stats,
        Health(engine.commits, store, purge.stats, archive, clock, parts.statedir, router.guard),
        heartbeat,
        config,
        events,
        History(engine, store),
        Kvs(lambda: resource_set.encode(engine.allocator.scheduler.inventory), job_info.lookup),
    ):
        router.add(service)
    _add_broker(parts)
    return Services(heartbeat, stats, job_stats, config, purge_log, wait, dependencies, plugins)


def _prepare(plugins: Plugins, loaded: Loaded) -> Sequence[Plugin]:
    """The plugins of a configuration that is about to apply.

    Raises:
        ConfigError: one cannot be loaded.
    """
    try:
        return plugins.prepare(loaded.config.job_manager.plugins)
    except LoadError as error:
        table = f"job-manager.plugins[{error.load}]"
        raise ConfigError(loaded.source, table, "", error.reason) from error


def _let_in(parts: Parts, loaded: Loaded) -> None:
    """Who may connect, what guests may see, and how much each may have."""
    parts.router.guard.limits = loaded.config.limits
    parts.engine.guard = parts.router.guard
    access = loaded.config.access
    parts.access.configure(
        allow_guest_user=access.allow_guest_user,
        allow_root_owner=access.allow_root_owner,
        admins=access.admins | access.roles.admin.users,
        admin_groups=access.roles.admin.groups,
    )
    parts.router.configure(private_mode=access.private_mode)
    parts.router.conceal = partial(parts.store.find, NO_JOB)
    clients = {} if loaded.keys is None else loaded.keys.clients
    creds = {key: parts.access.admit_key(c.userid, c.role) for key, c in clients.items()}
    parts.admit_keys({key: cred for key, cred in creds.items() if cred is not None})


def _add_broker(parts: Parts) -> None:
    """What flux's tools ask the broker that they are connected to, and all of its modules.

    To be called last: the services that are registered by now are these modules.
    """
    router, hosts = parts.router, parts.engine.allocator.scheduler.hosts
    router.add(Attr(attributes(hosts, parts.cred.userid, parts.rundir, parts.statedir)))
    router.add(Broker(router, hosts))
    router.add(Log(RING, router))
    methods = Methods(router)
    router.add(Modules(methods.services))
    router.add(methods)


def _announce(told: Sequence[Callable[[PurgeEvent], object]], event: PurgeEvent) -> None:
    """Tell everybody of a purge that is durable."""
    for tell in told:
        tell(event)


def _environ(rundir: Path) -> Mapping[str, str]:
    """What commands of the site find in their environment: the daemon's, and where it is."""
    return {**os.environ, "JOBMGRD_URI": str(rundir), "FLUX_URI": f"local://{rundir}/local"}


def _configure_site(engine: Engine, config: JobManager) -> None:
    prolog, epilog, housekeeping = config.prolog, config.epilog, config.housekeeping
    engine.perilogs.configure(
        None if prolog is None else prolog.site_command,
        None if epilog is None else epilog.site_command,
    )
    engine.housekeeping.command = housekeeping.command if housekeeping is not None else ()


def _publish_again(purge_log: PurgeLog, records: list[PurgeRecord]) -> None:
    """Publish batches that a dead daemon committed, once subscribers had time to come back."""
    for record in records:
        purge_log.publish(record)
    records.clear()
