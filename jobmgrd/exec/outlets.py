"""The stdout and stderr of all tasks of an attempt: told, or written to files with labels."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import partial

from jobmgrd.exec.files import Labeler
from jobmgrd.exec.pipe import Pipe, Quota
from jobmgrd.exec.port import Notify, Output, Redirected
from jobmgrd.exec.starter import STREAMS, Redirect, Task


class Outlets:
    """The pipes that tasks write to.

    Args:
        loop: to read on.
        id_: of the attempt.
        quota: how much may be told.
        notify: told Output and Redirected.
        ended: called when a pipe has come to its end.
        reading: whether to read from the start.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        id_: int,
        quota: Quota,
        notify: Notify,
        ended: Callable[[], None],
        *,
        reading: bool,
    ) -> None:
        self._loop = loop
        self._id = id_
        self._quota = quota
        self._notify = notify
        self._ended = ended
        self._reading = reading
        self._watched = False
        self._dropped = False
        self._pipes: dict[tuple[int, int], Pipe] = {}
        self._redirects: list[Redirect] = []
        self.labeled: set[int] = set()
        """Descriptors of files that are written to with labels."""

    @property
    def open(self) -> bool:
        """Whether a pipe is not at its end."""
        return bool(self._pipes)

    def add(self, task: Task) -> None:
        """Take in a task that was started."""
        rank = task.place.rank
        labelers = {}
        for redirect in task.redirects:
            self._redirects.append(redirect)
            if redirect.label is not None:
                self.labeled.add(redirect.label)
                fail = partial(self._cannot_write, rank, redirect.path)
                labelers[redirect.target] = Labeler(redirect.label, rank, fail)
        for target in STREAMS:
            fd = task.process.pipes.get(target)
            if fd is not None:
                take = partial(self._output, rank, target, labelers.get(target))
                self._pipes[rank, target] = Pipe(self._loop, fd, take)

    def tell_redirects(self) -> None:
        """Tell which streams go to files, once for tasks that share one."""
        ranks: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for redirect in self._redirects:
            ranks[redirect.target, redirect.path].append(redirect.rank)
        for (target, path), of in ranks.items():
            self._notify(Redirected(self._id, STREAMS[target], tuple(of), path))
        self._redirects.clear()

    def watch(self) -> None:
        """Begin to read."""
        self._watched = True
        self.read(reading=self._reading)

    def read(self, *, reading: bool) -> None:
        """Read what tasks write, or let them block once their pipes are full."""
        self._reading = reading
        if not self._watched:
            return
        for pipe in self._pipes.values():
            if reading:
                pipe.watch()
            else:
                pipe.ignore()

    def drain(self) -> None:
        """Read what is there already."""
        for pipe in tuple(self._pipes.values()):
            pipe.drain()

    def close(self) -> None:
        """Read what is there already, and no more."""
        for pipe in tuple(self._pipes.values()):
            pipe.drain()
            pipe.close()

    def drop(self) -> None:
        """Close all, and tell nothing."""
        self._dropped = True
        self.close()

    def _output(self, rank: int, target: int, labeler: Labeler | None, data: bytes) -> None:
        """Tell bytes that a task wrote, or b"" for the end of a stream."""
        if not data:
            del self._pipes[rank, target]
        if self._dropped:
            return
        if labeler is not None:
            labeler(data)
        else:
            self._tell(rank, target, data)
        if not data:
            self._ended()

    def _tell(self, rank: int, target: int, data: bytes) -> None:
        kept, notice = self._quota.take(data)
        if kept or not data:
            self._notify(Output(self._id, rank, STREAMS[target], kept, eof=not data))
        if notice is not None:
            where = "stderr" if (rank, 2) in self._pipes else STREAMS[target]
            self._notify(Output(self._id, rank, where, notice))

    def _cannot_write(self, rank: int, path: str, error: OSError) -> None:
        text = f"jobmgrd: cannot write {path}: {error.strerror}; what follows is lost\n"
        self._notify(Output(self._id, rank, "stderr", text.encode()))
