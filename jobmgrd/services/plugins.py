"""Plugins: loaded as configured, asked at submit and by the engine, told what becomes of jobs.

    submit -> dependency, validate -> job_new -> engine -> hold -> priority -> ...
    commit -> job_state, inactive_add        purge -> inactive_remove

Without plugins nothing of this is called. A plugin whose configuration did not change stays as it
is over a reload; one that did is made anew, and told of all active jobs (flux-core's jobtap.c).
"""

import asyncio
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Final

import structlog
from msgspec.structs import asdict, replace

from jobmgrd.call import Call
from jobmgrd.commits import Committed
from jobmgrd.engine import Engine
from jobmgrd.jobs.dependencies import Foreign
from jobmgrd.jobs.job import Job, priority_of
from jobmgrd.plugins import ACCEPT, JobView, Refuse
from jobmgrd.plugins.alarm import within
from jobmgrd.plugins.find import find
from jobmgrd.plugins.guard import HOOKS, Plugin, Source
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.dependency_plan import TYPE, Plan, parse_all, unsupported
from jobmgrd.services.plugin_requests import PluginRequests
from protocol.errors import FormatError, RpcError
from protocol.eventlog import decode_line
from protocol.events import PurgeEvent
from protocol.job import URGENCY_EXPEDITE, URGENCY_HOLD, State
from protocol.jobspec import Jobspec
from protocol.plugins import JobtapReply, JobtapRequest, PluginStats, QueryRequest

log = structlog.get_logger()

LOAD_LIMIT: Final = 10.0
"""Seconds that it may take to import a plugin and to make it."""
TOLD_OF_COMMITS: Final = ("job_state", "job_update", "inactive_add")


class LoadError(ValueError):
    """A plugin that cannot be loaded."""

    def __init__(self, load: str, reason: str) -> None:
        super().__init__(load, reason)
        self.load = load
        self.reason = reason


class Plugins:
    """Those that are loaded, in the order of the configuration."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._requests = PluginRequests(engine, clock)
        self._plugins: Sequence[Plugin] = ()
        self._listening = False
        self.loaded = False
        """Whether there are any."""

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.jobtap", JobtapRequest, self.jobtap, role=OWNER),
            Route("job-manager.jobtap-query", QueryRequest, self.query, role=OWNER),
        ]

    # --- loading ----------------------------------------------------------------------------

    def prepare(self, sources: Sequence[Source]) -> Sequence[Plugin]:
        """Make the plugins of a configuration; those that are loaded so already stay.

        Raises:
            LoadError: one cannot be made; nothing has changed.
        """
        kept = {plugin.name: plugin for plugin in self._plugins if not plugin.disabled}
        return [
            kept[source.load]
            if source.load in kept and kept[source.load].source == source
            else self._make(source)
            for source in sources
        ]

    def _make(self, source: Source) -> Plugin:
        def make() -> object:
            return find(source.load)(source.conf, self._requests)

        try:
            return Plugin(source, within(LOAD_LIMIT, make), self._disabled)
        except BaseException as error:  # loading runs any code
            raise LoadError(source.load, str(error) or type(error).__name__) from error

    def use(self, plugins: Sequence[Plugin]) -> None:
        """Load what was prepared: tell the new ones of all active jobs, and ask them anew."""
        new = [plugin for plugin in plugins if plugin not in self._plugins]
        gone = [plugin.name for plugin in self._plugins if plugin not in plugins]
        self._plugins, self.loaded = plugins, bool(plugins)
        self._listen()
        if new or gone:
            log.info("plugins.loaded", loaded=[plugin.name for plugin in new], removed=gone)
            for job in tuple(self._engine.jobs.values()):
                _introduce(new, job)
            if self._engine.jobs:
                self.ask_again()

    def _listen(self) -> None:
        """Be called where some plugin wants to be, and nowhere else."""
        asked = any(plugin.has("priority") for plugin in self._plugins)
        self._engine.priority_of = self._priority if asked else priority_of
        holds = any(plugin.has("hold") for plugin in self._plugins)
        self._engine.hold_of = self._hold if holds else None
        told = any(plugin.has(hook) for plugin in self._plugins for hook in TOLD_OF_COMMITS)
        if told and not self._listening:
            self._engine.commits.listen(self)
        elif self._listening and not told:
            self._engine.commits.ignore(self)
        self._listening = told

    def _disabled(self) -> None:
        """A plugin was disabled, in the middle of something."""
        asyncio.get_running_loop().call_soon(self._without_disabled)

    def _without_disabled(self) -> None:
        self._listen()
        self.ask_again()

    def introduce(self, job: Job) -> None:
        """A job is active that was so before the daemon was started."""
        _introduce(self._plugins, job)

    def ask_again(self) -> None:
        """What plugins have decided of active jobs may be decided otherwise now."""
        for job in tuple(self._engine.jobs.values()):
            if job.state is State.DEPEND and job.dependencies:
                self._ask_again(job)
            self._engine.reprioritize(job)

    def _ask_again(self, job: Job) -> None:
        """Every dependency that is left is awaited by somebody, or it goes."""
        view = JobView(job)
        awaited: set[str] = set()
        for item in parse_all(job.jobspec):
            if not isinstance(item, Foreign):
                awaited.add(item.description)
            elif item.description in job.dependencies:
                answer = self._answer(view, item)
                if answer is None or isinstance(answer, Refuse):
                    stuck = f"{unsupported(item)} (job may be stuck in DEPEND state)"
                    note, severity = (stuck, 4) if answer is None else (answer.text, 0)
                    self._engine.raise_exception(job, TYPE, severity, note)
                if answer is not ACCEPT:
                    awaited.add(item.description)
        held = job.dependencies.keys() - awaited
        if held and job.state is State.DEPEND:
            for description in held.difference(self._ask_all("hold", job=view)):
                self._engine.post(job, "dependency-remove", {"description": description})

    # --- submit -----------------------------------------------------------------------------

    def admit(self, job: Job, plan: Plan | None) -> Plan | None:
        """Let plugins have a say about a job that is about to be taken in; what it waits for.

        Args:
            job: not active yet; it is as it was submitted.
            plan: of its own dependencies, if it has any.

        Raises:
            RpcError: EINVAL, with the reason of the plugin that refuses it.
        """
        view = JobView(job)
        met = [item.description for item in _foreign(plan) if self._is_met(view, item)]
        for text in self._ask_all("validate", job=view):
            raise RpcError(errno.EINVAL, text)
        _introduce(self._plugins, job)
        return plan and replace(plan, met={*plan.met, *met})

    def _is_met(self, view: JobView, item: Foreign) -> bool:
        answer = self._answer(view, item)
        if answer is None:
            raise RpcError(errno.EINVAL, unsupported(item))
        if isinstance(answer, Refuse):
            raise RpcError(errno.EINVAL, answer.text)
        return answer is ACCEPT

    def check_update(self, job: Job, spec: Jobspec) -> None:
        """Let plugins have a say about the jobspec that an active job would get.

        Raises:
            FormatError: with the reason of the plugin that refuses it.
        """
        if self.loaded:
            draft = copy(job)
            draft.jobspec = spec
            for text in self._ask_all("validate", job=JobView(draft)):
                raise FormatError(text)

    def may_update(self, job: Job, path: str, value: Any, userid: int) -> bool:  # noqa: ANN401
        """Whether plugins let a path of a jobspec be changed that there is no rule for.

        Raises:
            FormatError: with the reason of the plugin that refuses it, rule or not.
        """
        view, accepted = JobView(job), False
        for answer in self._ask_all("update", job=view, path=path, value=value, userid=userid):
            if isinstance(answer, Refuse):
                raise FormatError(answer.text)
            accepted = True
        return accepted

    def lost(self, job: Job) -> None:
        """A job that was taken in could not be kept."""
        for plugin in self._plugins:
            plugin.ask("job_lost", job=JobView(job))

    def _answer(self, view: JobView, item: Foreign) -> Any:  # noqa: ANN401 - Answer | Refuse | None
        answers = (
            plugin.ask("dependency", job=view, scheme=item.scheme, value=item.value, keys=item.keys)
            for plugin in self._plugins
        )
        return next((answer for answer in answers if answer is not None), None)

    def _ask_all(self, hook: str, **arguments: Any) -> Iterable[Any]:  # noqa: ANN401
        """The answers that count, as they come."""
        answers = (plugin.ask(hook, **arguments) for plugin in self._plugins)
        return (answer for answer in answers if answer is not None)

    # --- the life of jobs -------------------------------------------------------------------

    def _hold(self, job: Job) -> str | None:
        """For the engine: a job waits for each description once (RFC 26)."""
        answers = self._ask_all("hold", job=JobView(job))
        return next((text for text in answers if not job.has_met(text)), None)

    def _priority(self, job: Job) -> int:
        """For the engine: hold and expedite go before what any plugin says (prioritize.c)."""
        if job.urgency in (URGENCY_HOLD, URGENCY_EXPEDITE):
            return priority_of(job)
        answer: int | None = next(iter(self._ask_all("priority", job=JobView(job))), None)
        return priority_of(job) if answer is None else answer

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        for item in batch:
            view = JobView(item.job)
            for plugin in self._plugins:
                for state, t in item.moves:
                    plugin.ask("job_state", job=view, state=str(state.name), t=t)
                if plugin.has("job_update"):
                    for updates in _updates(item.entries):
                        plugin.ask("job_update", job=view, updates=updates)
                if item.last:
                    plugin.ask("inactive_add", job=view)

    def purged(self, event: PurgeEvent) -> None:
        """Jobs were purged; that is durable."""
        for plugin in self._plugins:
            if plugin.has("inactive_remove"):
                for id in event.jobs:
                    plugin.ask("inactive_remove", id=id)

    # --- requests ---------------------------------------------------------------------------

    def jobtap(self, _call: Call, request: JobtapRequest) -> JobtapReply:
        """Name the plugins (flux jobtap list); they are loaded by the configuration alone."""
        if request.load is not None or request.remove is not None:
            text = "plugins are loaded and removed by [[job-manager.plugins]] and a reload"
            raise RpcError(errno.EPERM, text)
        return JobtapReply([plugin.name for plugin in self._plugins])

    def query(self, _call: Call, request: QueryRequest) -> Mapping[str, Any]:
        """What is known of a plugin (flux jobtap query)."""
        for plugin in self._plugins:
            if plugin.name == request.name:
                hooks = [hook for hook in HOOKS if plugin.has(hook)]
                known = {"path": plugin.path, "hooks": hooks, "conf": plugin.source.conf}
                return asdict(_stats(plugin)) | known
        raise RpcError(errno.ENOENT, f"{request.name}: plugin not found")

    def stats(self) -> Sequence[PluginStats]:
        """Counters for stats-get."""
        return [_stats(plugin) for plugin in self._plugins]


def _introduce(plugins: Iterable[Plugin], job: Job) -> None:
    for plugin in plugins:
        plugin.ask("job_new", job=JobView(job))


def _updates(entries: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in entries:
        if b'"jobspec-update"' in line and (entry := decode_line(line)).name == "jobspec-update":
            yield entry.context or {}


def _foreign(plan: Plan | None) -> list[Foreign]:
    return [item for item in plan.dependencies if isinstance(item, Foreign)] if plan else []


def _stats(plugin: Plugin) -> PluginStats:
    return PluginStats(plugin.name, disabled=plugin.disabled, **asdict(plugin.counts))
