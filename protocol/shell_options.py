"""Shell options: how a job's tasks are run (flux-shell(1), attributes.system.shell.options).

    option                  value                                    if it is not given
    input.stdin             {type: "service"|"file", path}           clients may write to it
    input.limit             bytes that wait for a task               10M
    output.mode             "truncate"|"append"                      truncate
    output.limit            bytes kept with the job                  [exec] output-limit
    output.stdout, stderr   {type: "kvs"|"file", path, label}        kept with the job
    cpu-affinity            off|on|per-task|map:CPUS;CPUS...         on
    gpu-affinity            off|on|per-task|map:GPUS;GPUS...         on
    rlimit                  {name: soft limit, -1 is unlimited}      the system's
    umask +                 octal digits                             0022
    exit-timeout            FSD, or "none"                           30s
    exit-on-error           anything but 0
    signal                  {timeleft, signum}                       no warning
    taskmap                 {scheme: block|cyclic|manual, value}     block
    per-resource            {type: node|core, count}                 as tasks[0].count says

Those of flux-shell that are not here, and options of anybody's plugins, have no effect. A
path of output or input, and the command, may have {{id}} tags (jobmgrd/exec/template.py).
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct, field

from protocol import bytesize, idset, shape, taskmap
from protocol import duration as fsd
from protocol.errors import FormatError

PATH: Final = "attributes.system.shell.options"
INPUT_LIMIT: Final = 10 * 2**20
EXIT_TIMEOUT: Final = 30.0
UMASK: Final = 0o022
_INTEGER_MAX: Final = 2**63 - 1
_IDS_MAX: Final = 2**16
"""Ids of CPUs and GPUs are below this."""
_MAP_MAX: Final = 2**18
"""Ids in all the lists of a map: "0-65535" is short and would fill the memory if repeated."""
RLIMITS: Final = (
    "as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "ofile", "rss", "rtprio", "rttime", "sigpending", "stack",
)  # fmt: skip
"""The names of resource limits, as in RLIMIT_AS (getrlimit(2)); "ofile" is "nofile"."""

_STRIDE: Final = re.compile(r"0*[1-9][0-9]{0,8}")

Mode: TypeAlias = Literal["off", "on", "per-task", "map"]
Ids: TypeAlias = tuple[int, ...]


class Affinity(Struct, frozen=True, array_like=True):
    """How tasks are bound; `map` has the ids for each task of a node, used again if too few."""

    mode: Mode = "on"
    map: tuple[Ids, ...] = ()


class Warn(Struct, frozen=True, array_like=True):
    """A signal that is sent to the tasks some seconds before the time limit."""

    timeleft: float
    signum: int


class Taskmap(Struct, frozen=True, array_like=True):
    """How tasks are spread over nodes: a scheme, and what it takes."""

    scheme: Literal["block", "cyclic", "manual"] = "block"
    stride: int = 1  # of cyclic
    map: tuple[taskmap.Block, ...] = ()  # manual


class PerResource(Struct, frozen=True, array_like=True):
    """So many tasks for each node or core that is allocated."""

    type: Literal["node", "core"]
    count: Annotated[int, Meta(ge=1)]


class ShellOptions(Struct, frozen=True, array_like=True):
    """Checked options. Limits are bytes, times are seconds.

    N.B. They travel to the supervisor: a change of a field is a change of jobmgrd/exec/wire.py.
    """

    stdin: str | None = None  # a file to read; None: what clients write
    stdout: str | None = None  # path template; None keeps output with the job
    stderr: str | None = None  # None: with the job, or where stdout goes
    label_stdout: bool = False  # prefix lines in the file with the task
    label_stderr: bool = False
    append: bool = False  # to files, which are truncated otherwise
    input_limit: int = INPUT_LIMIT
    output_limit: int | None = None
    cpu_affinity: Affinity = Affinity()
    gpu_affinity: Affinity = Affinity()
    rlimits: tuple[tuple[str, int], ...] = ()  # names without RLIMIT_, soft limits
    umask: int = UMASK
    exit_timeout: float = EXIT_TIMEOUT  # from the end of the first task; infinite is never
    exit_on_error: bool = False
    warn: Warn | None = None
    taskmap: Taskmap = Taskmap()
    per_resource: PerResource | None = None


DEFAULT: Final = ShellOptions()


class _Stream(Struct):
    type: str = ""
    path: str = ""
    label: bool | int = False


class _Output(Struct):
    stdout: _Stream = field(default_factory=_Stream)
    stderr: _Stream | None = None
    mode: Literal["truncate", "append"] = "truncate"
    limit: int | str | None = None


class _Stdin(Struct):
    type: Literal["service", "file"] = "service"
    path: str = ""


class _Input(Struct):
    stdin: _Stdin = field(default_factory=_Stdin)
    limit: int | str | None = None


class _Warn(Struct):
    timeleft: Annotated[float, Meta(gt=0)] = 60.0
    signum: Annotated[int, Meta(ge=1, le=64)] = 10


class _Taskmap(Struct):
    scheme: str = "block"
    value: str | int = ""


class _PerResource(Struct):
    type: Literal["node", "core"] = "node"
    count: Annotated[int, Meta(ge=1, le=2**20)] = 1


class _Options(Struct, rename="kebab"):
    input: _Input = field(default_factory=_Input)
    output: _Output = field(default_factory=_Output)
    cpu_affinity: str | int = "on"
    gpu_affinity: str | int = "on"
    rlimit: dict[str, int] = {}
    umask: str | int = ""
    exit_timeout: float | str = EXIT_TIMEOUT
    exit_on_error: Any = None
    signal: _Warn | int | None = None
    taskmap: _Taskmap = field(default_factory=_Taskmap)
    per_resource: _PerResource | None = None


def read(options: Mapping[str, Any]) -> ShellOptions:
    """Check the options that are known.

    Raises:
        FormatError: one of them is wrong; the text names it.
    """
    if not options:
        return DEFAULT
    given = shape.convert(options, _Options, f"jobspec: {PATH}")
    return ShellOptions(**_files(given), **_limits(given), **_placement(given))


def _files(given: _Options) -> dict[str, Any]:
    output, stdin = given.output, given.input.stdin
    stderr = output.stderr or _Stream()
    if "\0" in output.stdout.path + stderr.path + stdin.path:
        raise _wrong("output", "a path holds a NUL")
    if stdin.type == "file" and not stdin.path:
        raise _wrong("input.stdin.path", "missing the file to read")
    stdout_path, stderr_path = (
        stream.path if stream.path and stream.type != "kvs" else None
        for stream in (output.stdout, stderr)
    )
    return {
        "stdin": stdin.path if stdin.type == "file" else None,
        "stdout": stdout_path,
        "stderr": stderr_path,
        "label_stdout": bool(output.stdout.label),
        "label_stderr": bool(output.stdout.label if output.stderr is None else stderr.label),
        "append": output.mode == "append",
    }


def _limits(given: _Options) -> dict[str, Any]:
    for name, limit in given.rlimit.items():
        if name not in RLIMITS:
            raise _wrong(f"rlimit.{name}", f"is not a limit: expected one of {', '.join(RLIMITS)}")
        if not -1 <= limit <= _INTEGER_MAX:
            raise _wrong(f"rlimit.{name}", "must be >= 0, or -1 for no limit")
    return {
        "input_limit": _size(given.input.limit, "input.limit") or INPUT_LIMIT,
        "output_limit": _size(given.output.limit, "output.limit"),
        "rlimits": tuple(given.rlimit.items()),
        "umask": _umask(given.umask),
        "exit_timeout": _exit_timeout(given.exit_timeout),
        "exit_on_error": given.exit_on_error not in (None, 0, False, "", "0"),
        "warn": _warn(given.signal),
    }


def _placement(given: _Options) -> dict[str, Any]:
    per = given.per_resource
    return {
        "cpu_affinity": _affinity(given.cpu_affinity, "cpu-affinity"),
        "gpu_affinity": _affinity(given.gpu_affinity, "gpu-affinity"),
        "taskmap": _taskmap(given.taskmap),
        "per_resource": None if per is None else PerResource(per.type, per.count),
    }


def _size(value: int | str | None, name: str) -> int | None:
    if isinstance(value, str):
        try:
            value = bytesize.parse(value)
        except FormatError as error:
            raise _wrong(name, str(error)) from None
    if value is not None and not 0 < value <= _INTEGER_MAX:
        raise _wrong(name, "must be > 0")
    return value


def _umask(value: str | int) -> int:
    try:
        mask = int(str(value), 8) if value != "" else UMASK
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0o777:  # noqa: PLR2004 - the permission bits
        raise _wrong("umask", f"expected octal digits, got {value!r}")
    return mask


def _exit_timeout(value: float | str) -> float:
    if isinstance(value, str):
        if value.lower() == "none":
            return math.inf
        try:
            value = fsd.parse(value)
        except FormatError as error:
            raise _wrong("exit-timeout", str(error)) from None
    if not value >= 0:
        raise _wrong("exit-timeout", "must be >= 0")
    return value


def _warn(value: _Warn | int | None) -> Warn | None:
    """A bare number, as `-o signal` gives it, is all defaults."""
    if not value:
        return None
    warn = _Warn() if isinstance(value, int) else value
    return Warn(warn.timeleft, warn.signum)


def _affinity(value: str | int, name: str) -> Affinity:
    mode = str(value)
    for prefix in ("verbose", "dry-run"):  # what flux-shell would print, nobody prints here
        mode = mode.removeprefix(prefix).removeprefix(",")
    if mode in ("", "1"):
        mode = "on"
    if mode in ("off", "on", "per-task"):
        return Affinity(mode)  # type: ignore[arg-type]  # one of the three
    if not mode.startswith("map:"):
        raise _wrong(name, f"expected off, on, per-task or map:LIST, got {value!r}")
    sets: list[Ids] = []
    left = _MAP_MAX
    for text in filter(None, mode[4:].split(";")):
        sets.append(_ids(text, name))
        left -= len(sets[-1])
        if left < 0:
            raise _wrong(name, f"the map has more than {_MAP_MAX} ids")
    if not sets:
        raise _wrong(name, "the map is empty")
    return Affinity("map", tuple(sets))


def _ids(text: str, name: str) -> Ids:
    """Ids as a list ("0-3,8") or as the bits of a mask ("0xff")."""
    try:
        if text.startswith("0x"):
            mask = int(text, 16) if len(text) <= _IDS_MAX // 4 else 0
            ids = tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)
        else:
            ids = tuple(idset.parse(text))
    except (FormatError, ValueError):
        ids = ()
    if not ids or max(ids) >= _IDS_MAX:
        raise _wrong(name, f"{text[:64]!r} is no list of ids")
    return ids


def _taskmap(given: _Taskmap) -> Taskmap:
    value = str(given.value)
    if given.scheme == "block":
        return Taskmap()
    if given.scheme == "cyclic":
        if value and not _STRIDE.fullmatch(value):
            raise _wrong("taskmap.value", f"expected tasks per turn, got {value!r}")
        return Taskmap("cyclic", int(value or 1))
    if given.scheme == "manual":
        try:
            return Taskmap("manual", 1, taskmap.parse(value))
        except FormatError as error:
            raise _wrong("taskmap.value", str(error)) from None
    raise _wrong("taskmap.scheme", f"expected block, cyclic or manual, got {given.scheme!r}")


def _wrong(name: str, text: str) -> FormatError:
    return FormatError(f"jobspec: {PATH}.{name}: {text}")
