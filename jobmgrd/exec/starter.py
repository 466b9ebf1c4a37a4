"""Starts the tasks of one attempt, each with what is its own: environment, streams, CPUs."""

from collections import Counter
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from jobmgrd.exec.binding import Binder
from jobmgrd.exec.environment import (
    TMPDIR,
    job_environment,
    node_environment,
    task_environment,
)
from jobmgrd.exec.files import Files
from jobmgrd.exec.inheritance import Inheritance, limits_of
from jobmgrd.exec.port import Attempt
from jobmgrd.exec.process import Process, spawn
from jobmgrd.exec.template import Names, Place, render
from jobmgrd.exec.tmpdir import Tmpdir
from protocol import taskmap

STREAMS: Final = {1: "stdout", 2: "stderr"}


class Redirect(NamedTuple):
    """A stream of a task that goes to a file; `label` is the file to write labeled lines to."""

    rank: int
    target: int  # 1 or 2
    path: str
    label: int | None


class Task(Struct, frozen=True):
    """A task that runs."""

    place: Place
    process: Process
    redirects: tuple[Redirect, ...]


class Starter:
    """Starts the tasks of an attempt in the order of their ranks.

    Args:
        attempt: what to run.
        rundir: where tasks run that name no directory; the job's temporary one is below it.
        binder: binds them to CPUs.
    """

    def __init__(self, attempt: Attempt, rundir: str, binder: Binder) -> None:
        self._attempt = attempt
        self._rundir = rundir
        self._binder = binder
        self.tasks = attempt.tasks
        """How many there are in all."""
        self._nodes = enumerate(taskmap.nodes(attempt.taskmap))
        self._counts = taskmap.counts(attempt.taskmap, len(attempt.nodes))
        self._locals: Counter[int] = Counter()
        self._environments: dict[int, dict[str, str]] = {}
        self._tmpdir = Tmpdir(rundir, attempt.id)
        options = attempt.options
        cwd = attempt.cwd or rundir
        self.files = Files(cwd, options.umask, append=options.append)
        """The files of all tasks, to be closed when all have started."""
        self._inheritance = Inheritance(cwd, options.umask, *limits_of(options.rlimits))
        self._names = Names(
            attempt.id, attempt.name, self.tasks, len(attempt.nodes), self._tmpdir.path
        )

    def start(self) -> Task:
        """Start the next task.

        Raises:
            StartError: it does not run; the text says why.
        """
        rank, nodeid = next(self._nodes)
        if not rank:
            tmpdir = self._tmpdir.path if self._wants_tmpdir() else None
            if tmpdir is not None:
                self._tmpdir.make(self._attempt.files)
            self._shared = job_environment(self._attempt, self._rundir, tmpdir)
        place = Place(rank, self._locals[nodeid], nodeid, self._attempt.nodes[nodeid])
        self._locals[nodeid] += 1
        redirects = self._redirects(place)
        process = spawn(
            [render(argument, self._names, place) for argument in self._attempt.command],
            inheritance=self._bound(place),
            environment=self._environment(place),
            streams=self._streams(place, redirects),
        )
        return Task(place, process, redirects)

    def close(self) -> None:
        """Release what the job had, once its tasks have ended."""
        self.files.close()
        self._tmpdir.remove()

    def _wants_tmpdir(self) -> bool:
        """Whether the job speaks of its temporary directory.

        Not every job gets one: where the run directory is on a disk that others sync, making and
        removing it took longer than all else (2 ms of 4 for `true` on ext4).
        """
        attempt = self._attempt
        options = attempt.options
        texts = (*attempt.command, options.stdin, options.stdout, options.stderr)
        return bool(attempt.files) or any(
            text is not None and ("{{tmpdir}}" in text or TMPDIR in text) for text in texts
        )

    def _environment(self, place: Place) -> dict[str, str]:
        nodeid = place.nodeid
        if nodeid not in self._environments:
            found = node_environment(self._attempt, self._shared, nodeid)
            self._environments[nodeid] = found
        shared = self._environments[nodeid]
        return task_environment(self._attempt, shared, place, self._counts[nodeid])

    def _bound(self, place: Place) -> Inheritance:
        option = self._attempt.options.cpu_affinity
        tasks = self._counts[place.nodeid]
        cpus = self._binder.cpus(option, place.node.cores, place.local, tasks)
        return self._inheritance if cpus is None else replace(self._inheritance, cpus=cpus)

    def _redirects(self, place: Place) -> tuple[Redirect, ...]:
        options = self._attempt.options
        if options.stdout is None and options.stderr is None:
            return ()
        expand = partial(render, job=self._names, task=place)
        found = []
        for target, template, label in (
            (1, options.stdout, options.label_stdout),
            (2, options.stderr or options.stdout, options.label_stderr),
        ):
            if template is not None:
                path = expand(template)
                file = self.files.output(path)
                found.append(Redirect(place.rank, target, path, file if label else None))
        return tuple(found)

    def _streams(self, place: Place, redirects: tuple[Redirect, ...]) -> list[int | None]:
        """Descriptors of the task's streams; None is a pipe."""
        stdin = self._attempt.options.stdin
        streams: list[int | None] = [None, None, None]
        if stdin is not None:
            streams[0] = self.files.input(render(stdin, self._names, place))
        for redirect in redirects:
            if redirect.label is None:
                streams[redirect.target] = self.files.output(redirect.path)
        return streams
