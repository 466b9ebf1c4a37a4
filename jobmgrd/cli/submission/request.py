"""The options that describe a job, shared by submit and run, and the request they make."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from jobmgrd.cli.submission.dependency import DEPENDENCY_OPTIONS, dependencies
from jobmgrd.cli.submission.environment import environment
from jobmgrd.cli.submission.files import FILES_OPTION, AddedFile
from jobmgrd.cli.submission.requires import REQUIRES_OPTION, constraints
from jobmgrd.cli.submission.shell_request import SHELL_OPTIONS, ShellRequest
from jobmgrd.cli.words.fsd import FSD
from jobmgrd.cli.words.json_value import AssignmentType
from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError
from protocol.job import URGENCY_DEFAULT, URGENCY_EXPEDITE, URGENCY_HOLD, URGENCY_MAX, Flag
from protocol.job_manager import SubmitRequest
from protocol.jobspec import from_command

F = TypeVar("F", bound=Callable[..., Any])

_CC: Final = re.compile(r"(?<!\{)\{cc\}(?!\})")
"""{cc}, but not the {{..}} that the daemon replaces."""

_COUNT: Final = click.IntRange(min=1)
_URGENCIES: Final = {
    "hold": URGENCY_HOLD,
    "default": URGENCY_DEFAULT,
    "expedite": URGENCY_EXPEDITE,
}


class UrgencyType(Word[int]):
    """An urgency, or a name for one."""

    name = "N|hold|expedite|default"

    def read(self, text: str) -> int:
        """The urgency, 0 to 31."""
        if text in _URGENCIES:
            return _URGENCIES[text]
        if not (text.isascii() and text.isdigit() and int(text) <= URGENCY_MAX):
            raise FormatError(f"{text!r} is not 0 to 31, hold, expedite or default")
        return int(text)


URGENCY: Final = UrgencyType()

_OPTIONS: Final = (
    click.option(
        "-n", "--ntasks", type=_COUNT, metavar="N", help="Tasks to run  [default: 1, or one a node]"
    ),
    click.option("-c", "--cores-per-task", type=_COUNT, metavar="N", help="[default: 1]"),
    click.option(
        "-g",
        "--gpus-per-task",
        type=click.IntRange(min=0),
        metavar="N",
        help="[default: 0]",
    ),
    click.option(
        "-N",
        "--nodes",
        type=_COUNT,
        metavar="N",
        default=None,
        help="Spread the tasks over N nodes; without --ntasks, allocate N whole nodes.",
    ),
    click.option("-x", "--exclusive", is_flag=True, help="Allocate whole nodes; needs --nodes."),
    click.option(
        "-t",
        "--time-limit",
        type=FSD,
        default=0.0,
        help="End the job after this time: 30s, 5m, 2h; a bare number is seconds.",
    ),
    click.option("--urgency", type=URGENCY, default=URGENCY_DEFAULT, help="0 to 31  [default: 16]"),
    click.option("--job-name", metavar="NAME", help="[default: the program's name]"),
    click.option("-q", "--queue", metavar="NAME", help="[default: the default queue]"),
    click.option("--cwd", metavar="DIR", help="Where to run  [default: here]"),
    click.option(
        "--env",
        multiple=True,
        metavar="RULE",
        help="VAR=VAL sets, -GLOB removes, VAR copies after a removal. All of your environment "
        "is copied first. Repeatable.",
    ),
    click.option("--input", metavar="FILE", help="Read stdin from this file  [default: see above]"),
    click.option("--output", metavar="FILE", help="Write stdout, and stderr, to this file."),
    click.option("--error", metavar="FILE", help="Write stderr to this file."),
    click.option(
        "-l", "--label-io", is_flag=True, help="Prefix lines of output with the task's rank."
    ),
    click.option("-B", "--bank", metavar="NAME", help="Charge the job to this bank."),
    click.option(
        "-S",
        "--setattr",
        "attributes",
        type=AssignmentType(key_alone=True),
        multiple=True,
        help="Set a jobspec attribute: system.KEY, or user.KEY; VAL may be JSON. Repeatable.",
    ),
    REQUIRES_OPTION,
    *SHELL_OPTIONS,
    FILES_OPTION,
    *DEPENDENCY_OPTIONS,
    click.option(
        "--flags", multiple=True, metavar="FLAG[,FLAG]", help="waitable, debug. Repeatable."
    ),
    click.option("--debug", is_flag=True, help="As --flags=debug."),
)


class JobOptions(NamedTuple):
    """What the options say."""

    ntasks: int | None
    cores_per_task: int | None
    gpus_per_task: int | None
    nodes: int | None
    exclusive: bool
    time_limit: float
    urgency: int
    job_name: str | None
    queue: str | None
    bank: str | None
    cwd: str | None
    env: Sequence[str]
    input: str | None
    output: str | None
    error: str | None
    label_io: bool
    attributes: Sequence[tuple[str, Any]]
    requires: tuple[dict[str, Any], ...]
    dependencies: Sequence[str]
    begin_time: float | None
    flags: Sequence[str]
    debug: bool
    files: Sequence[AddedFile]
    shell: ShellRequest

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "JobOptions":
        """The keywords that a command was given, as one value."""
        shell = ShellRequest(**{name: options[name] for name in ShellRequest._fields})
        own = {name: options[name] for name in cls._fields if name in options}
        return cls(**own, shell=shell)


DRY_RUN: Final = click.option(
    "--dry-run", is_flag=True, help="Submit nothing: print the jobspec, as JSON."
)


def print_jobspec(request: SubmitRequest) -> None:
    """What a dry run does."""
    click.echo(json.dumps(request.jobspec, ensure_ascii=False))


def job_options(function: F) -> F:
    """Give a command these options; it gets them as keywords, for `JobOptions.of`."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def requester(
    options: JobOptions, command: Sequence[str], *, told: bool = True
) -> Callable[[int | None], "SubmitRequest"]:
    """A function from an id of --cc (None: there is no --cc) to the request for its job.

    `told`: the job finds the id in its environment.

    Raises:
        CommandError, UsageError: the options make no job.
    """
    variables = environment(options.env, os.environ)
    flags = _flags([*options.flags, "debug"] if options.debug else options.flags)
    cwd = str(Path(options.cwd or ".").absolute())
    attributes = options.shell.attributes() | dict(options.attributes)
    if options.bank:
        attributes["bank"] = options.bank
    if options.requires:
        attributes["constraints"] = constraints(options.requires)
    resources = _resources(options)

    def request(cc: int | None) -> SubmitRequest:
        waits = dependencies([fill(uri, cc) for uri in options.dependencies], options.begin_time)
        own = variables if cc is None or not told else {**variables, "FLUX_JOB_CC": str(cc)}
        jobspec = from_command(
            [fill(word, cc) for word in command],
            **resources,
            duration=options.time_limit,
            cwd=cwd,
            environment=own,
            name=options.job_name and fill(options.job_name, cc),
            queue=options.queue,
            input=options.input and fill(options.input, cc),
            output=options.output and fill(options.output, cc),
            error=options.error and fill(options.error, cc),
            label_io=options.label_io,
            attributes=attributes | ({"dependencies": waits} if waits else {}),
        )
        if options.files:
            jobspec["attributes"]["system"]["files"] = dict(options.files)
        return SubmitRequest(jobspec=jobspec, urgency=options.urgency, flags=flags)

    return request


def _resources(options: JobOptions) -> dict[str, Any]:
    """The keywords of `from_command` that say what to allocate."""
    nodes = options.nodes or 0
    if not options.shell.per_resource:
        return {
            "num_tasks": options.ntasks or nodes or 1,
            "cores_per_task": options.cores_per_task or 1,
            "gpus_per_task": options.gpus_per_task or 0,
            "num_nodes": nodes,
            "exclusive": options.exclusive or (nodes > 0 and options.ntasks is None),
        }
    if options.ntasks or options.cores_per_task or options.gpus_per_task:
        raise click.UsageError(
            "--cores, --tasks-per-node and --tasks-per-core do not go with --ntasks, "
            "--cores-per-task and --gpus-per-task."
        )
    if options.shell.tasks_per_node and options.shell.tasks_per_core:
        raise click.UsageError("Give one of --tasks-per-node and --tasks-per-core.")
    cores = options.shell.cores or nodes
    if not cores:
        raise click.UsageError("Say how much to allocate, by --cores or --nodes.")
    return {
        "num_tasks": nodes or cores,
        "cores_per_task": -(-cores // nodes) if nodes else 1,
        "num_nodes": nodes,
        "exclusive": options.exclusive or (nodes > 0 and options.shell.cores is None),
    }


def fill(text: str, cc: int | None) -> str:
    """A text of the command line, with the id for {cc}."""
    return text if cc is None else _CC.sub(str(cc), text)


def _flags(names: Sequence[str]) -> int:
    flags = 0
    for name in ",".join(names).split(",") if names else ():
        if name.upper() not in Flag.__members__:
            raise click.BadParameter(f"{name!r} is not a flag", param_hint="'--flags'")
        flags |= Flag[name.upper()]
    return flags
