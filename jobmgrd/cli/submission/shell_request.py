"""The options that say how a job's tasks are run, and the shell options that they make."""

import os
import resource
import signal
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import click

from jobmgrd.cli.failure import CommandError
from jobmgrd.cli.words.fsd import FSD
from jobmgrd.cli.words.json_value import AssignmentType
from protocol.shell_options import RLIMITS

_COUNT: Final = click.IntRange(min=1)


class WarningType(click.ParamType[dict[str, Any]]):
    """A signal and how long before the end it is sent: USR1@60s, 10, or @3m."""

    name = "[SIG][@TIME]"

    def convert(
        self,
        value: str | dict[str, Any],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, Any]:
        """The shell option "signal"."""
        if not isinstance(value, str):
            return value
        name, _, time = value.upper().partition("@")
        number = name if name.isdecimal() else getattr(signal, f"SIG{name.removeprefix('SIG')}", 0)
        number = signal.SIGUSR1 if not name else number
        if not 1 <= int(number) < signal.NSIG:
            self.fail(f"{name} is not a signal", param, ctx)
        return {
            "signum": int(number),
            "timeleft": FSD.convert(time.lower(), param, ctx) if time else _TIMELEFT,
        }


_TIMELEFT: Final = 60.0

SHELL_OPTIONS: Final = (
    click.option(
        "--cores", type=_COUNT, metavar="N", help="Allocate N cores, instead of some for each task."
    ),
    click.option(
        "--tasks-per-node", type=_COUNT, metavar="N", help="Run N tasks on each node allocated."
    ),
    click.option(
        "--tasks-per-core", type=_COUNT, metavar="N", help="Run N tasks on each core allocated."
    ),
    click.option(
        "--taskmap",
        metavar="SCHEME[:VALUE]",
        help="Which tasks run on which nodes: block, cyclic, cyclic:N or manual:MAP (RFC 34).",
    ),
    click.option(
        "--rlimit",
        "rlimits",
        multiple=True,
        metavar="NAME[=N]",
        help="Have the tasks run with this soft limit, or with yours: core, nofile, stack, ... "
        "Repeatable.",
    ),
    click.option(
        "--signal",
        "warning",
        type=WarningType(),
        help="Warn the tasks before the time limit ends the job: USR2@5m. SIG is USR1, and TIME "
        "60s before the end, unless given.",
    ),
    click.option(
        "-o",
        "--setopt",
        "shell_options",
        type=AssignmentType(key_alone=True),
        multiple=True,
        help="Set a shell option: cpu-affinity=per-task, gpu-affinity=per-task, exit-timeout=none, "
        "output.mode=append, ... Repeatable.",
    ),
)


class ShellRequest(NamedTuple):
    """What these options say."""

    cores: int | None
    tasks_per_node: int | None
    tasks_per_core: int | None
    taskmap: str | None
    rlimits: Sequence[str]
    warning: dict[str, Any] | None
    shell_options: Sequence[tuple[str, Any]]

    @property
    def per_resource(self) -> bool:
        """Whether tasks follow from resources, and not the other way."""
        return bool(self.cores or self.tasks_per_node or self.tasks_per_core)

    def attributes(self) -> dict[str, Any]:
        """The jobspec's attributes that they set, by dotted path."""
        options: dict[str, Any] = {"umask": f"{_umask():04o}"}
        for kind, count in (("node", self.tasks_per_node), ("core", self.tasks_per_core)):
            if count:
                options["per-resource"] = {"type": kind, "count": count}
        if self.taskmap:
            scheme, _, value = self.taskmap.partition(":")
            options["taskmap"] = {"scheme": scheme, "value": value}
        for rule in self.rlimits:
            name, limit = _rlimit(rule)
            options[f"rlimit.{name}"] = limit
        if self.warning:
            options["signal"] = self.warning
        options |= dict(self.shell_options)
        return {f"shell.options.{name}": value for name, value in options.items()}


def _rlimit(rule: str) -> tuple[str, int]:
    name, given, text = rule.lower().partition("=")
    if name not in RLIMITS:
        raise CommandError(f"--rlimit={rule}: expected one of {', '.join(RLIMITS)}")
    if not given:
        number = getattr(resource, f"RLIMIT_{'NOFILE' if name == 'ofile' else name.upper()}")
        return name, resource.getrlimit(number)[0]
    if text in {"unlimited", "infinity"}:
        return name, resource.RLIM_INFINITY
    try:
        return name, int(text)
    except ValueError:
        raise CommandError(f"--rlimit={rule}: expected a number or unlimited") from None


def _umask() -> int:
    """This process's umask, which there is no other way to read."""
    umask = os.umask(0)
    os.umask(umask)
    return umask
