"""job-manager.update: changes of an active job's jobspec (update.c, plugins/update-duration.c).

Either all changes of a request are made, or none. What a path may be changed to, and by whom, is
said by its rule and by plugins; then the jobspec as a whole is checked as at its submission. The
owner of the instance may give a job any duration, whatever the limits; another's job is immutable
after that, so that its user does not build on it.
"""

import errno
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from jobmgrd.access import groups_of
from jobmgrd.call import Call, Value
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.updates import BANK, CONSTRAINTS, DURATION, NAME, PROJECT, QUEUE, update
from jobmgrd.routes import Route, Scope
from jobmgrd.services.lookup import UNKNOWN_ID, active_job, authorize, check_room, refuse
from jobmgrd.store.port import Store
from protocol import eventlog
from protocol.errors import FormatError, RpcError
from protocol.eventlog import Entry
from protocol.job import State
from protocol.job_manager import UpdateRequest
from protocol.jobspec import Jobspec, parse
from protocol.message import Cred

_ROOTS: Final = ("attributes", "resources", "tasks")
_ATTRIBUTES: Final = "attributes."

_Rule: TypeAlias = Callable[[Job, Any, Cred], None]
"""Raises FormatError, saying why this user may not give this job this value."""


class Update:
    """A table of rules, and one way to apply them.

    `validate` raises FormatError if a job may not have a jobspec that is found right otherwise.
    `allow` raises it if a user may not give a path a value, and tells whether it allows a path that
    has no rule.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        clock: Callable[[], float],
        validate: Callable[[Job, Jobspec], None] = lambda _job, _spec: None,
        allow: Callable[[Job, str, Any, int], bool] = lambda _job, _path, _value, _userid: False,
    ) -> None:
        self._validate = validate
        self._allow = allow
        self._engine = engine
        self._store = store
        self._clock = clock

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [Route("job-manager.update", UpdateRequest, self.update, scope=Scope.OWN)]

    def update(self, call: Call, request: UpdateRequest) -> Awaitable[Value]:
        """Change a jobspec; answered once the change is durable."""
        _check_paths(request.updates)
        job = active_job(self._engine, request.id)
        if job is None:
            return refuse(self._store, request.id, call.cred, inactive=errno.EINVAL)
        text = "guests may only update their own jobs"
        authorize(call.cred, job.userid, text, UNKNOWN_ID)
        check_room(self._engine, job)
        if job.immutable and not call.cred.is_owner:
            text = "job is immutable due to previous instance owner update"
            raise RpcError(errno.EPERM, text)
        unlimited = call.cred.is_owner and request.updates.keys() == {DURATION}
        try:
            for path, value in request.updates.items():
                self._check(job, path, value, call.cred)
            updates = self._with_constraints(job, request.updates)
            spec = _with(job, updates)
            self._check_room(job, spec, updates)
            if not unlimited:
                self._validate(job, spec)
            if not unlimited and not updates.keys().isdisjoint((DURATION, QUEUE)):
                queues = self._engine.allocator.queues
                queues.policy(queues.named(spec.queue)).check(spec)
                queues.check_access(spec.queue, job.userid, groups_of)
        except FormatError as error:
            raise RpcError(errno.EINVAL, str(error)) from error
        others = unlimited and call.cred.userid != job.userid
        self._engine.update(job, updates, immutable=others and not job.immutable)
        return self._engine.durable(job)

    def _check(self, job: Job, path: str, value: Any, cred: Cred) -> None:  # noqa: ANN401 - JSON
        rule = _RULES.get(path)
        if rule is not None:
            rule(job, value, cred)
        allowed = self._allow(job, path, value, cred.userid)
        if rule is None and not (allowed and path.startswith(_ATTRIBUTES)):
            raise FormatError(f"update of {path} not supported")

    def _with_constraints(self, job: Job, updates: Mapping[str, Any]) -> Mapping[str, Any]:
        """The updates, with what the queue asks of nodes in the constraints, as at the submit."""
        queues = self._engine.allocator.queues
        if QUEUE in updates and CONSTRAINTS not in updates:
            return {CONSTRAINTS: queues.moving(job.jobspec, updates[QUEUE]), **updates}
        if QUEUE in updates:
            queues.check_enabled(updates[QUEUE])
        if CONSTRAINTS in updates:
            given = queues.missing(_with(job, updates))
            updates = {**updates, CONSTRAINTS: given.get("constraints", updates[CONSTRAINTS])}
        return updates

    def _check_room(self, job: Job, spec: Jobspec, updates: Mapping[str, Any]) -> None:
        if job.state & State.RUNNING:
            if DURATION in updates and 0 < spec.duration <= self._clock() - (
                job.t_ready or job.t_run
            ):
                raise FormatError("requested duration places job expiration in the past")
        elif not updates.keys().isdisjoint((QUEUE, CONSTRAINTS)):
            self._engine.allocator.scheduler.check(spec)


def _check_paths(updates: Mapping[str, Any]) -> None:
    if not updates or any(path.partition(".")[0] not in _ROOTS for path in updates):
        raise RpcError(errno.EINVAL, "one or more jobspec updates are invalid")


def _with(job: Job, updates: Mapping[str, Any]) -> Jobspec:
    """The jobspec as it would be, checked whole."""
    entries = [*map(eventlog.decode_line, job.entries), Entry(1.0, "jobspec-update", updates)]
    return parse(update("jobspec", msgspec.json.decode(job.jobspec_json), entries))


def _duration(job: Job, value: Any, cred: Cred) -> None:  # noqa: ANN401
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FormatError(f"{DURATION}: expected a number of seconds")
    if value < 0:
        raise FormatError("duration must not be negative")
    if job.state & State.RUNNING and not cred.is_owner:
        raise FormatError("duration update of running job requires instance owner privileges")


def _queue(job: Job, value: Any, cred: Cred) -> None:  # noqa: ANN401
    if job.state & State.RUNNING:
        raise FormatError("update of queue for running job not supported")
    _text(QUEUE)(job, value, cred)
    if value == job.jobspec.queue:
        raise FormatError(f"job queue is already set to {value}")


def _constraints(job: Job, _value: Any, _cred: Cred) -> None:  # noqa: ANN401
    if job.state & State.RUNNING:
        raise FormatError("update of constraints for running job not supported")


def _text(path: str) -> _Rule:
    def rule(_job: Job, value: Any, _cred: Cred) -> None:  # noqa: ANN401
        if not isinstance(value, str) or not value:
            raise FormatError(f"{path}: expected a string that is not empty")

    return rule


_RULES: Final[Mapping[str, _Rule]] = {
    DURATION: _duration,
    QUEUE: _queue,
    CONSTRAINTS: _constraints,
    NAME: _text(NAME),
    BANK: _text(BANK),
    PROJECT: _text(PROJECT),
}
