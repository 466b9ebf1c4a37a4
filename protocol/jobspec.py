"""Jobspecs, version 1 (RFC 25): what a job needs and runs, checked whole and derived once.

`parse` and `decode` are the submit path, `redact` is what may be shown of a jobspec, and
`from_command` and `set_attribute` build what `flux submit` would send.
"""

import math
import re
import stat
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import Struct

from protocol import duration as fsd
from protocol import payload, shape, shell_options
from protocol.errors import FormatError, PayloadError
from protocol.jobspec_v1 import (
    COUNT_MAX,
    Core,
    Dependency,
    JobspecV1,
    Node,
    Slot,
    System,
    TaskCount,
)
from protocol.jobspec_v1 import File as FileV1
from protocol.shell_options import ShellOptions

_DECODER: Final = msgspec.json.Decoder(JobspecV1)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ODD: Final = re.compile(rb"[\x80-\xff\\]|[0-9]{19}")
_NO_FILES: Final[Mapping[str, "File"]] = {}


class TestExec(Struct, frozen=True):
    """The job is simulated (flux-core job-exec/testexec.c)."""

    __test__ = False  # pytest takes the name for a test

    run_duration: float  # seconds; 0.0 is until canceled
    wait_status: int = 0  # of the finish event
    mock_exception: str = ""  # "init" or "run": raise an exec exception in that phase
    override: bool = False  # start and finish when told to, not by a timer


class File(Struct, frozen=True, array_like=True):
    """A file that comes with the job."""

    mode: int  # permissions
    data: bytes


class Jobspec(Struct, frozen=True):
    """A checked jobspec. Durations are seconds; "" and None are "not given"."""

    command: tuple[str, ...]
    num_slots: int  # in all
    cores_per_slot: int
    gpus_per_slot: int
    nodes: int  # 0: no node level
    slots_per_node: int  # 0: no node level
    exclusive: bool  # whole nodes
    ntasks: int  # in all
    duration: float  # 0.0: unlimited
    cwd: str | None
    environment: Mapping[str, str]
    name: str  # the program's base name if it was given none
    given_name: str
    queue: str
    bank: str
    project: str
    dependencies: tuple[Mapping[str, Any], ...]  # each with strings "scheme" and "value" (RFC 26)
    constraints: Mapping[str, Any]  # RFC 31
    shell_options: Mapping[str, Any]
    shell: ShellOptions  # those that are known, checked
    files: Mapping[str, File]  # put into the job's temporary directory
    test: TestExec | None
    user: Mapping[str, Any]

    @property
    def ncores(self) -> int:
        """Cores of all slots."""
        return self.num_slots * self.cores_per_slot

    @property
    def ngpus(self) -> int:
        """GPUs of all slots."""
        return self.num_slots * self.gpus_per_slot


def parse(value: Any) -> Jobspec:  # noqa: ANN401 (anything may be submitted)
    """Check a jobspec that was decoded from JSON or MessagePack.

    Raises:
        FormatError: it is not a version 1 jobspec; the text names the path, for example
            "jobspec: missing tasks" or "jobspec: tasks[0].slot: expected a string, got int".
    """
    return _derive(shape.convert(value, JobspecV1, "jobspec"))


def decode(data: bytes) -> Jobspec:
    """Check a jobspec that is JSON, as the payload of J is; one pass, so cheaper than `parse`.

    Raises:
        FormatError: as `parse`, or the bytes are not JSON, or more than a payload may hold.
    """
    spec = shape.decode(data, _DECODER, "jobspec")
    # The daemon has to send all of it again, and msgspec passes over what is under keys that it
    # does not know: what no payload may hold is looked for where it can be.
    if data.count(b"{") + data.count(b"[") > payload.MAX_DEPTH or _ODD.search(data):
        try:
            payload.decode(data.strip())
        except PayloadError as error:
            raise FormatError(f"jobspec: {error}") from None
    return _derive(spec)


def redact(jobspec: bytes) -> dict[str, Any]:
    """A JSON jobspec without its environment, which may hold secrets and is large.

    This is what the daemon shows of it (flux-core job-manager/job.c).

    Raises:
        FormatError: the bytes are not a JSON object.
    """
    value = shape.decode(jobspec, _OBJECT, "jobspec")
    # A jobspec that was never validated (FLUX_JOB_NOVALIDATE) may have any shape.
    with suppress(KeyError, TypeError, AttributeError):
        del value["attributes"]["system"]["environment"]
    return value


def _derive(spec: JobspecV1) -> Jobspec:
    task, system = spec.tasks[0], spec.attributes.system
    nodes, exclusive, slot, path = _graph(spec.resources[0])
    cores, gpus = _slot_size(slot, path)
    num_slots = slot.count * (nodes or 1)
    ntasks = _ntasks(task.count, num_slots)
    if num_slots > COUNT_MAX or ntasks > COUNT_MAX:
        raise _wrong("resources", f"expected at most {COUNT_MAX} slots and tasks")
    if task.slot != slot.label:
        raise _wrong("tasks[0].slot", f"no slot is labeled {task.slot!r}")
    duration = _seconds(system.duration, "attributes.system.duration")
    return Jobspec(
        command=_command(task.command),
        num_slots=num_slots,
        cores_per_slot=cores,
        gpus_per_slot=gpus,
        nodes=nodes,
        slots_per_node=slot.count if nodes else 0,
        exclusive=exclusive,
        ntasks=ntasks,
        duration=duration,
        cwd=_cwd(system.cwd),
        environment=_environment(system.environment),
        name=system.job.name or _basename(task.command[0]),
        given_name=system.job.name,
        queue=system.queue,
        bank=system.bank,
        project=system.project,
        dependencies=_dependencies(system.dependencies),
        constraints=system.constraints,
        shell_options=system.shell.options,
        shell=shell_options.read(system.shell.options),
        files=_files(system.files),
        test=_test(system, duration),
        user=spec.attributes.user,
    )


def _graph(vertex: Node | Slot) -> tuple[int, bool, Slot, str]:
    """Nodes (0: no node level), whether they are whole nodes, and the slot with its path."""
    if isinstance(vertex, Slot):
        return 0, False, vertex, "resources[0]"
    slot = vertex.slots[0]
    if not isinstance(slot, Slot):
        raise _wrong("resources[0].with[0].type", "expected slot below node")
    return vertex.count, vertex.exclusive, slot, "resources[0].with[0]"


def _slot_size(slot: Slot, path: str) -> tuple[int, int]:
    """Cores and GPUs: RFC 25 allows slot>core and slot>(core,gpu), in any order."""
    cores = [child.count for child in slot.resources if isinstance(child, Core)]
    gpus = [child.count for child in slot.resources if not isinstance(child, Core)]
    if len(cores) != 1 or len(gpus) > 1:
        raise _wrong(f"{path}.with", "expected one core and at most one gpu")
    return cores[0], gpus[0] if gpus else 0


def _ntasks(count: TaskCount, num_slots: int) -> int:
    if count.total is not None and count.per_slot is None:
        return count.total
    if count.per_slot is not None and count.total is None:
        return count.per_slot * num_slots
    raise _wrong("tasks[0].count", "expected exactly one of per_slot and total")


def _command(command: tuple[str, ...]) -> tuple[str, ...]:
    """What no program can be started with is refused here: a NUL, or no name."""
    if "\0" in "".join(command):
        raise _wrong("tasks[0].command", "holds a NUL")
    if not command[0]:
        raise _wrong("tasks[0].command[0]", "expected a program, got an empty string")
    return command


def _seconds(value: float | str, path: str) -> float:
    if isinstance(value, str):
        try:
            value = fsd.parse(value)
        except FormatError as error:
            raise _wrong(path, str(error)) from None
    if not 0.0 <= value < math.inf:
        raise _wrong(path, "must be >= 0 and finite")
    return value


def _cwd(cwd: str | None) -> str | None:
    if cwd and "\0" in cwd:
        raise _wrong("attributes.system.cwd", "holds a NUL")
    return cwd or None


def _environment(given: dict[str, str | None]) -> Mapping[str, str]:
    """Null unsets a variable (RFC 14), and no variable is set that was not given."""
    environment = {name: value for name, value in given.items() if value is not None}
    names = "".join(environment)
    if "=" in names or "\0" in names or "" in environment or "\0" in "".join(environment.values()):
        raise _wrong("attributes.system.environment", "holds a NUL, or a name is empty or has a =")
    return environment


def _dependencies(given: tuple[dict[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    for n, dependency in enumerate(given):
        shape.convert(dependency, Dependency, f"jobspec: attributes.system.dependencies[{n}]")
    return given


def _files(given: Mapping[str, FileV1]) -> Mapping[str, File]:
    return {name: _file(name, file) for name, file in given.items()} if given else _NO_FILES


def _file(name: str, file: FileV1) -> File:
    path = f"attributes.system.files.{name}"
    if "/" in name or "\0" in name or name in {"", ".", ".."}:
        raise _wrong(path, "expected the name of a file, without a directory")
    if stat.S_IFMT(file.mode) not in {0, stat.S_IFREG}:
        raise _wrong(f"{path}.mode", "expected that of a regular file")
    data = file.data
    if not isinstance(data, str):
        raw = msgspec.json.encode(data)
    elif file.encoding == "base64":
        try:
            raw = b64decode(data, validate=True)
        except ValueError as error:
            raise _wrong(f"{path}.data", str(error)) from None
    elif file.encoding in {"", "utf-8"}:
        raw = data.encode()
    else:
        raise _wrong(f"{path}.encoding", f"expected utf-8 or base64, got {file.encoding!r}")
    return File(file.mode & 0o777, raw)


def _test(system: System, duration: float) -> TestExec | None:
    test = system.exec.test
    if test is None:
        return None
    if test.run_duration is not None:
        duration = _seconds(test.run_duration, "attributes.system.exec.test.run_duration")
    return TestExec(duration, test.wait_status, test.mock_exception, bool(test.override))


def _basename(path: str) -> str:
    """The default name of a job; a directory's whole path (flux-core job-list/job_data.c)."""
    return path.rpartition("/")[2] or path


def _wrong(path: str, text: str) -> FormatError:
    return FormatError(f"jobspec: {path}: {text}")


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
        raise _wrong("resources", "node count must not be greater than task count")
    if exclusive and not nodes:
        raise _wrong("resources", "exclusive can only be set with a node count")
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
        raise _wrong(key, "a name in the path is empty")
    level: Any = jobspec
    for n, name in enumerate(levels):
        level = level.setdefault(name, {})
        if not isinstance(level, dict):
            raise _wrong(".".join(levels[: n + 1]), "is not an object")
    level[last] = value
