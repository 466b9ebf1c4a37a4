"""Values that are well by themselves, and do not go together."""

from collections.abc import Callable, Mapping

from jobmgrd.config import kinds
from jobmgrd.config.errors import ConfigError
from jobmgrd.config.files import Place
from jobmgrd.config.nodes import excluded, nodes
from jobmgrd.config.schema import Config
from jobmgrd.jobs.queues import QueueConfig
from protocol.errors import FormatError

Origin = Callable[[Place], str]
"""Which source set a key: a file, or "config.load"."""


def check_together(config: Config, origin: Origin) -> None:
    """Refuse a configuration whose values contradict each other.

    Raises:
        ConfigError: the first that do.
    """
    _check_endpoints(config, origin)
    _check_nodes(config, origin)
    _check_queues(config, origin)


def _check_endpoints(config: Config, origin: Origin) -> None:
    """Refuse an endpoint given twice: ZeroMQ would let the second bind take it from the first."""
    seen = set(config.rpc.bind)
    if len(seen) < len(config.rpc.bind):
        raise _endpoint_twice(origin, "rpc")
    if len(seen | set(config.events.bind)) < len(seen) + len(config.events.bind):
        raise _endpoint_twice(origin, "events")


def _check_nodes(config: Config, origin: Origin) -> None:
    """Refuse a node without cores, where nothing could ever run, and to exclude what is none."""
    try:
        found = nodes(config.resource)
    except FormatError as error:
        source = origin(("resource", "config"))
        raise ConfigError(source, "resource.config", "", str(error), 'cores = "0-3"') from error
    try:
        excluded(config.resource, found)
    except FormatError as error:
        source = origin(("resource", "exclude"))
        expected = kinds.TARGETS.expected
        raise ConfigError(source, "resource", "exclude", str(error), expected) from error


def _check_queues(config: Config, origin: Origin) -> None:
    """Refuse queues that do not go together (flux-core libfluxutil/conf_policy.c)."""
    for name, queue in config.queues.items():
        if problem := _queue_problem(name, queue, config.queues):
            place = ("queues", name)
            raise ConfigError(origin(place), ".".join(place), "", problem)
    default = config.policy.policy.default_queue
    if default is not None and default not in config.queues:
        problem = f"default queue {default!r} is not in [queues]"
        table = "policy.jobspec.defaults.system"
        raise ConfigError(origin(("policy",)), table, "queue", problem)


def _queue_problem(name: str, queue: QueueConfig, queues: Mapping[str, QueueConfig]) -> str:
    if queue.policy.default_queue is not None:
        return "'policy' must not define a default queue"
    if queue.parent is None:
        return ""
    parent = queues.get(queue.parent)
    problems = {
        "a virtual queue must not set 'requires'": bool(queue.requires),
        "parent queue is itself": queue.parent == name,
        f"parent queue {queue.parent!r} is not configured": parent is None,
        f"parent queue {queue.parent!r} is itself a virtual queue": parent and parent.parent,
    }
    return next((problem for problem, found in problems.items() if found), "")


def _endpoint_twice(origin: Origin, table: str) -> ConfigError:
    return ConfigError(
        origin((table, "bind")), table, "bind", "endpoint used twice", "endpoints that differ"
    )
