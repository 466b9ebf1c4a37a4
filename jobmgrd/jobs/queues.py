"""The queues (RFC 33): what each asks for, whether it takes jobs, and whether they are scheduled.

Without any configured there is one without a name, which begins enabled and started. Named ones
begin enabled and stopped, as in Flux. The words are flux-core's (job-manager/queues.c).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from jobmgrd.jobs.policy import Policy
from protocol.errors import FormatError
from protocol.job_manager import QueueStatus
from protocol.jobspec import Jobspec

ANONYMOUS: Final = ""
"""The name of the queue that has none."""
ON_RESTART: Final = "Automatically stopped due to restart"


class QueueConfig(Struct, frozen=True):
    """A queue as configured; a virtual queue has a parent, whose resources are its own."""

    requires: tuple[str, ...] = ()  # properties that its nodes have (RFC 20)
    parent: str | None = None
    policy: Policy = Policy()


class Switches(Struct, frozen=True, omit_defaults=True):
    """What was last asked of a queue; `start` holds now, `sticky` after a restart."""

    enable: bool
    start: bool
    sticky: bool
    disable_reason: str | None = None
    stop_reason: str | None = None


_NO_POLICY: Final = Policy()
_KEPT: Final = msgspec.json.Decoder(dict[str, Switches])


class Queues:
    """All queues, by name."""

    def __init__(self) -> None:
        self._configs: Mapping[str, QueueConfig] = {ANONYMOUS: QueueConfig()}
        self.switches = {ANONYMOUS: Switches(enable=True, start=True, sticky=True)}
        """What was last asked of each queue."""
        self.default = ANONYMOUS
        """The queue of jobs that name none."""

    @property
    def names(self) -> Sequence[str]:
        """The queues that have a name."""
        return [name for name in self._configs if name]

    def policy(self, name: str) -> Policy:
        """What holds for the jobs of a queue, inherited from its parent and from all queues."""
        return self._configs[name].policy

    @property
    def roots(self) -> Mapping[str, tuple[str, ...]]:
        """The properties that each queue which is not virtual asks its nodes for."""
        return {n: config.requires for n, config in self._configs.items() if config.parent is None}

    def configure(self, general: Policy, configs: Mapping[str, QueueConfig]) -> None:
        """Have these queues from now on; those that stay keep their switches."""
        default = structs.replace(general, default_queue=None)
        if configs:
            self._configs = {
                name: _inherited(config, configs.get(config.parent or ""), default)
                for name, config in configs.items()
            }
        else:
            self._configs = {ANONYMOUS: QueueConfig(policy=default)}
        self.default = general.default_queue or ANONYMOUS
        self.switches = {
            name: self.switches.get(name) or Switches(enable=True, start=not name, sticky=not name)
            for name in self._configs
        }

    # --- jobs come in -----------------------------------------------------------------------

    def missing(self, spec: Jobspec) -> Mapping[str, Any]:
        """The attributes that a job is to be given before it is taken in; mostly none.

        They are those of flux-core's frobnicator: default queue, default duration, and the
        properties that the queue's nodes have.

        Raises:
            FormatError: there is no such queue, or the job has to say one.
        """
        name = spec.queue or self.default
        config = self._configs.get(name)
        if config is None:
            raise FormatError(self._unknown(name))
        given: dict[str, Any] = {} if spec.queue == name else {"queue": name}
        duration = config.policy.default_duration
        if duration and not spec.duration and duration != float("inf"):
            given["duration"] = duration
        if config.requires:
            given["constraints"] = _required(spec.constraints, config.requires)
        return given

    def check(
        self, spec: Jobspec, userid: int, groups_of: Callable[[int], Collection[int]]
    ) -> None:
        """Refuse a job that its queue does not take.

        Args:
            spec: the job.
            userid: whose it is.
            groups_of: tells the groups of a user; asked only if the queue is for some.

        Raises:
            FormatError: the queue is disabled, and why; the job is against a limit; or its user
                may not use the queue.
        """
        switches = self.switches[spec.queue]
        if not switches.enable:
            to = f" to {spec.queue}" if spec.queue else ""
            raise FormatError(f"job submission{to} is disabled: {switches.disable_reason}")
        policy = self._configs[spec.queue].policy
        if policy != _NO_POLICY:
            policy.check(spec)
            self.check_access(spec.queue, userid, groups_of)

    def check_access(
        self, name: str, userid: int, groups_of: Callable[[int], Collection[int]]
    ) -> None:
        """Refuse a user who may not use a queue.

        Raises:
            FormatError: that is so.
        """
        if not self._configs[name].policy.admits(userid, groups_of):
            where = f"queue {name}" if name else "this instance"
            raise FormatError(f"user {userid} is not allowed to submit jobs to {where}")

    def moving(self, spec: Jobspec, name: str) -> Mapping[str, Any]:
        """The constraints that a job gets when it is moved to another queue.

        Raises:
            FormatError: there is no such queue, it is disabled, or the job has constraints that are
                not those of its present queue.
        """
        self.check_enabled(name)
        now = self._configs.get(spec.queue, QueueConfig()).requires
        if spec.constraints != ({"properties": list(now)} if now else {}):
            text = "job appears to have non-queue constraints, unable to update queue to"
            raise FormatError(f"{text} {name}")
        required = self._configs[name].requires
        return {"properties": list(required)} if required else {}

    def check_enabled(self, name: str) -> None:
        """Refuse to move jobs to a queue.

        Raises:
            FormatError: there is no such queue, or it is disabled.
        """
        if not self.switches[self.named(name)].enable:
            raise FormatError(f"queue {name} is currently disabled")

    def requires(self, name: str) -> tuple[str, ...]:
        """The properties of a queue's nodes."""
        return self._configs[name].requires

    def root(self, name: str) -> str:
        """The queue as a part of which this one is scheduled: its parent, or itself."""
        return self._configs[name].parent or name

    def belongs(self, name: str, root: str) -> bool:
        """Whether a queue, which may be gone, is this one or a virtual queue of it."""
        return name in self._configs and self.root(name) == root

    def started(self, name: str) -> bool:
        """Whether jobs of a queue are scheduled; those of one that is gone are not."""
        if name not in self._configs:
            return False
        return self.switches[name].start and self.switches[self.root(name)].start

    # --- switches ---------------------------------------------------------------------------

    def enable(self, name: str | None) -> None:
        """Take jobs again; None is all queues. Raises FormatError: there is no such queue."""
        self._switch(name, enable=True, disable_reason=None)

    def disable(self, name: str | None, reason: str) -> None:
        """Take no more jobs; None is all queues. Raises FormatError: there is no such queue."""
        self._switch(name, enable=False, disable_reason=reason)

    def start(self, name: str | None, *, checkpoint: bool = True) -> None:
        """Schedule jobs; None is all queues. Raises FormatError: there is no such queue."""
        self._switch(name, start=True, stop_reason=None, **({"sticky": True} if checkpoint else {}))

    def stop(self, name: str | None, reason: str | None, *, checkpoint: bool = True) -> None:
        """Schedule no more jobs; without a checkpoint until a restart only."""
        change = {"sticky": False} if checkpoint else {}
        self._switch(name, start=False, stop_reason=reason, **change)

    def _switch(self, name: str | None, **change: Any) -> None:  # noqa: ANN401 - of Switches
        for each in self._configs if name is None else [self.named(name)]:
            self.switches[each] = structs.replace(self.switches[each], **change)

    def named(self, name: str) -> str:
        """The name of a queue that there is.

        Raises:
            FormatError: there is none, or there are only named ones.
        """
        if name not in self._configs:
            raise FormatError(self._invalid(name))
        return name

    def status(self, name: str) -> QueueStatus:
        """What is told of a queue; `start` says whether its jobs are scheduled (RFC 33)."""
        switches, parent = self.switches[name], self._configs[name].parent
        waits = parent is not None and switches.start and not self.switches[parent].start
        started = switches.start and not waits
        stopped = f"parent queue '{parent}' is stopped" if waits else switches.stop_reason
        return QueueStatus(
            enable=switches.enable,
            start=started,
            parent=parent,
            blocked="parent" if waits else None,
            disable_reason=switches.disable_reason,
            stop_reason=None if started else stopped,
        )

    def _invalid(self, name: str) -> str:
        return f"'{name}' is not a valid queue" if name else "a named queue is required"

    def _unknown(self, name: str) -> str:
        if ANONYMOUS in self._configs:
            return self._invalid(name)
        return f"Invalid queue '{name}' specified" if name else "no queue specified"

    # --- over a restart ---------------------------------------------------------------------

    def save(self) -> bytes:
        """The switches as they are kept."""
        return msgspec.json.encode(self.switches)

    def restore(self, data: bytes, *, stop: bool = False) -> None:
        """Take back what was kept of those queues that there still are; `stop` stops all.

        Raises:
            FormatError: this is not what `save` wrote.
        """
        try:
            kept = _KEPT.decode(data)
        except msgspec.DecodeError as error:
            raise FormatError(f"queues: {error}") from error
        for name in self.switches.keys() & kept.keys():
            found = kept[name]
            self.switches[name] = structs.replace(found, start=found.sticky)
            if stop and found.sticky:
                self.stop(name, ON_RESTART, checkpoint=False)


def _inherited(config: QueueConfig, parent: QueueConfig | None, general: Policy) -> QueueConfig:
    """A queue with what it does not say itself: a virtual one has its parent's nodes."""
    if parent is None:
        return structs.replace(config, policy=config.policy.over(general))
    policy = config.policy.over(parent.policy.over(general))
    return structs.replace(config, requires=parent.requires, policy=policy)


def _required(constraints: Mapping[str, Any], requires: Iterable[str]) -> Mapping[str, Any]:
    """A job's constraints and its queue's properties together, as flux-core's frobnicator does."""
    if not constraints:
        return {"properties": list(requires)}
    own = constraints.get("properties")
    if isinstance(own, list):
        return {**constraints, "properties": [*own, *(p for p in requires if p not in own)]}
    return {"and": [constraints, {"properties": list(requires)}]}
