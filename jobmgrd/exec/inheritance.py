"""What a process gets from the one that spawns it: directory, umask, limits, CPUs.

The supervisor has a single thread, so it takes them on itself, spawns, and puts them off again.
Nothing then has to run between fork and exec, as there is no moment at which a task has other
limits than its own, and it costs a few system calls (20 us; binding 50 us more, if the supervisor
has to move to another CPU for it).

N.B. A few limits would hit the supervisor itself: the CPU time that it has used already, the
memory that it has mapped. They are set on the process right after its start.
"""

import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from msgspec import Struct

_LATER: Final = frozenset({"as", "cpu", "data", "rttime"})
_STACK: Final = 1 << 20
"""A stack that is enough for the supervisor; a smaller one is set later, too."""

_HOME: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

NOFILE: Final = 1024
"""The soft limit of open files, unless the job has its own: more breaks select(2). The hard limit
is the system's, so a program that can use more may ask for it."""


class Inheritance(Struct, frozen=True):
    """What a task is to inherit.

    `limits` and `later` are pairs of a resource (resource.RLIMIT_*) and a soft limit; `cpus` None
    is every CPU that the supervisor may use.
    """

    cwd: str
    umask: int
    limits: tuple[tuple[int, int], ...]
    later: tuple[tuple[int, int], ...]
    cpus: frozenset[int] | None = None

    @contextmanager
    def taken_on(self) -> Iterator[None]:
        """Have this process be as its children are to be, within the block.

        Raises:
            OSError: the directory cannot be entered; nothing has changed then.
        """
        home = os.open(".", _HOME)
        umask = os.umask(self.umask)
        cpus: set[int] | None = None
        limits: list[tuple[int, tuple[int, int]]] = []
        try:
            os.chdir(self.cwd)
            for number, soft in self.limits:
                before = resource.getrlimit(number)
                with suppress(OSError, ValueError):
                    resource.setrlimit(number, (_within(soft, before[1]), before[1]))
                    limits.append((number, before))
            if self.cpus is not None:
                cpus = os.sched_getaffinity(0)
                os.sched_setaffinity(0, self.cpus)
            yield
        finally:
            if cpus is not None:
                os.sched_setaffinity(0, cpus)
            for number, before in limits:
                resource.setrlimit(number, before)
            os.umask(umask)
            os.fchdir(home)
            os.close(home)

    def limit(self, pid: int) -> None:
        """Set on a process the limits that this one cannot take on."""
        for number, soft in self.later:
            hard = resource.getrlimit(number)[1]
            with suppress(OSError, ValueError):
                resource.prlimit(pid, number, (_within(soft, hard), hard))


def limits_of(
    given: Sequence[tuple[str, int]],
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The limits to take on and those to set later, from the option `rlimit`.

    A limit that is as it would be anyway is left out.
    """
    wanted = {"nofile": NOFILE}
    wanted.update(("nofile" if name == "ofile" else name, soft) for name, soft in given)
    limits: list[tuple[int, int]] = []
    later: list[tuple[int, int]] = []
    for name, soft in wanted.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        present, hard = resource.getrlimit(number)
        if _within(soft, hard) != present:
            harms = name in _LATER or (name == "stack" and 0 <= soft < _STACK)
            (later if harms else limits).append((number, soft))
    return tuple(limits), tuple(later)


def _within(soft: int, hard: int) -> int:
    """A soft limit that does not exceed the hard one, as flux-shell has it."""
    if hard != resource.RLIM_INFINITY and (soft > hard or soft < 0):
        return hard
    return max(soft, resource.RLIM_INFINITY)
