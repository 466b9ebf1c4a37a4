"""Reads jobspecs: bytes or a decoded object -> Jobspec, or an error that names the path."""

import math
import re
import stat
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from protocol import duration as fsd
from protocol import payload, shape, shell_options
from protocol.errors import FormatError, PayloadError
from protocol.jobspec.v1 import (
    COUNT_MAX,
    Core,
    Dependency,
    JobspecV1,
    Node,
    Slot,
    System,
    TaskCount,
)
from protocol.jobspec.v1 import File as FileV1
from protocol.jobspec.value import File, Jobspec, TestExec, wrong

_DECODER: Final = msgspec.json.Decoder(JobspecV1)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ODD: Final = re.compile(rb"[\x80-\xff\\]|[0-9]{19}")
_NO_FILES: Final[Mapping[str, "File"]] = {}


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
        raise wrong("resources", f"expected at most {COUNT_MAX} slots and tasks")
    if task.slot != slot.label:
        raise wrong("tasks[0].slot", f"no slot is labeled {task.slot!r}")
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
        raise wrong("resources[0].with[0].type", "expected slot below node")
    return vertex.count, vertex.exclusive, slot, "resources[0].with[0]"


def _slot_size(slot: Slot, path: str) -> tuple[int, int]:
    """Cores and GPUs: RFC 25 allows slot>core and slot>(core,gpu), in any order."""
    cores = [child.count for child in slot.resources if isinstance(child, Core)]
    gpus = [child.count for child in slot.resources if not isinstance(child, Core)]
    if len(cores) != 1 or len(gpus) > 1:
        raise wrong(f"{path}.with", "expected one core and at most one gpu")
    return cores[0], gpus[0] if gpus else 0


def _ntasks(count: TaskCount, num_slots: int) -> int:
    if count.total is not None and count.per_slot is None:
        return count.total
    if count.per_slot is not None and count.total is None:
        return count.per_slot * num_slots
    raise wrong("tasks[0].count", "expected exactly one of per_slot and total")


def _command(command: tuple[str, ...]) -> tuple[str, ...]:
    """What no program can be started with is refused here: a NUL, or no name."""
    if "\0" in "".join(command):
        raise wrong("tasks[0].command", "holds a NUL")
    if not command[0]:
        raise wrong("tasks[0].command[0]", "expected a program, got an empty string")
    return command


def _seconds(value: float | str, path: str) -> float:
    if isinstance(value, str):
        try:
            value = fsd.parse(value)
        except FormatError as error:
            raise wrong(path, str(error)) from None
    if not 0.0 <= value < math.inf:
        raise wrong(path, "must be >= 0 and finite")
    return value


def _cwd(cwd: str | None) -> str | None:
    if cwd and "\0" in cwd:
        raise wrong("attributes.system.cwd", "holds a NUL")
    return cwd or None


def _environment(given: dict[str, str | None]) -> Mapping[str, str]:
    """Null unsets a variable (RFC 14), and no variable is set that was not given."""
    environment = {name: value for name, value in given.items() if value is not None}
    names = "".join(environment)
    if "=" in names or "\0" in names or "" in environment or "\0" in "".join(environment.values()):
        raise wrong("attributes.system.environment", "holds a NUL, or a name is empty or has a =")
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
        raise wrong(path, "expected the name of a file, without a directory")
    if stat.S_IFMT(file.mode) not in {0, stat.S_IFREG}:
        raise wrong(f"{path}.mode", "expected that of a regular file")
    data = file.data
    if not isinstance(data, str):
        raw = msgspec.json.encode(data)
    elif file.encoding == "base64":
        try:
            raw = b64decode(data, validate=True)
        except ValueError as error:
            raise wrong(f"{path}.data", str(error)) from None
    elif file.encoding in {"", "utf-8"}:
        raw = data.encode()
    else:
        raise wrong(f"{path}.encoding", f"expected utf-8 or base64, got {file.encoding!r}")
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
