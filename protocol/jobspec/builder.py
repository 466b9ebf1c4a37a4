"""Builds jobspecs as `flux submit` does: from a command and options, attributes by their path."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from protocol.jobspec.reader import parse
from protocol.jobspec.value import wrong


def from_command(
    command: Sequence[str],
    *,
    num_tasks: int = 1,
    cores_per_task: int = 1,
    gpus_per_task: int = 0,
    num_nodes: int = 0,
    exclusive: bool = False,
    duration: float = 0.0,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    name: str | None = None,
    queue: str | None = None,
    input: str | None = None,
    output: str | None = None,
    error: str | None = None,
    label_io: bool = False,
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A jobspec with one slot a task, as `flux submit` builds it.

    Args:
        command: program and arguments.
        num_tasks: tasks in all; spread over the nodes if there are any.
        cores_per_task: at least 1.
        gpus_per_task: 0 asks for none.
        num_nodes: 0 leaves the nodes to the scheduler; at most `num_tasks`.
        exclusive: whole nodes; needs `num_nodes`.
        duration: seconds, 0.0 is unlimited.
        cwd: None leaves it to the daemon.
        environment: all of the job's environment; None is empty.
        name: None: the program's base name.
        queue: None: the default queue.
        input: path template of stdin; None: what clients write.
        output: path template of stdout, and of stderr unless `error` is given.
        error: path template of stderr.
        label_io: prefix lines in these files with the task.
        attributes: more attributes, keys and values as `set_attribute` takes them.

    Raises:
        FormatError: the numbers make no jobspec.
    """
    even = not num_nodes or num_tasks % num_nodes == 0
    count = {"per_slot": 1} if even else {"total": num_tasks}
    vertex = _vertex(num_tasks, cores_per_task, gpus_per_task, num_nodes, exclusive)
    jobspec: dict[str, Any] = {
        "version": 1,
        "resources": [vertex],
        "tasks": [{"command": list(command), "slot": "task", "count": count}],
        "attributes": {"system": {"duration": duration, "environment": dict(environment or {})}},
    }
    given: dict[str, Any] = {"cwd": cwd, "job.name": name, "queue": queue}
    if input is not None:
        given["shell.options.input.stdin"] = {"type": "file", "path": input}
    for stream, path in (("stdout", output), ("stderr", error)):
        if path is not None:
            file = {"type": "file", "path": path} | ({"label": True} if label_io else {})
            given[f"shell.options.output.{stream}"] = file
    given = {key: value for key, value in given.items() if value is not None}
    for key, value in chain(given.items(), (attributes or {}).items()):
        set_attribute(jobspec, key, value)
    parse(jobspec)
    return jobspec


def _vertex(tasks: int, cores: int, gpus: int, nodes: int, exclusive: bool) -> dict[str, Any]:
    """The resource graph of tasks in a slot each, on `nodes` nodes if that is not 0."""
    if nodes > tasks:
        raise wrong("resources", "node count must not be greater than task count")
    if exclusive and not nodes:
        raise wrong("resources", "exclusive can only be set with a node count")
    children = [{"type": "core", "count": cores}]
    if gpus:
        children.append({"type": "gpu", "count": gpus})
    slot = {"type": "slot", "count": tasks, "with": children, "label": "task"}
    if not nodes:
        return slot
    slot["count"] = -(-tasks // nodes)  # an uneven spread leaves slots without a task
    node = {"type": "node", "count": nodes, "with": [slot]}
    return node | {"exclusive": True} if exclusive else node


def set_attribute(jobspec: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401 (JSON)
    """Set an attribute by its dotted path, as `flux submit --setattr` does.

    "user." and "system." begin a path below attributes, and so does "." (".user.comment");
    any other key is one of attributes.system. Levels that are missing are made.

    Raises:
        FormatError: a name in the path is empty, or a level on the way is not an object.
    """
    if key.startswith("."):
        key = "attributes" + key
    elif not key.startswith("attributes."):
        key = (
            f"attributes.{key}"
            if key.startswith(("user.", "system."))
            else f"attributes.system.{key}"
        )
    *levels, last = key.split(".")
    if not last or not all(levels):
        raise wrong(key, "a name in the path is empty")
    level: Any = jobspec
    for n, name in enumerate(levels):
        level = level.setdefault(name, {})
        if not isinstance(level, dict):
            raise wrong(".".join(levels[: n + 1]), "is not an object")
    level[last] = value
