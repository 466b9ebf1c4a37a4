"""The stdin of all tasks of an attempt: what is written goes to some of them, in order."""

import asyncio

from jobmgrd.exec.inlet import Inlet
from jobmgrd.exec.port import Input, Notify, Taken
from jobmgrd.exec.starter import Task


class Stdin:
    """The inlets of tasks that take input."""

    def __init__(self, loop: asyncio.AbstractEventLoop, id_: int, notify: Notify) -> None:
        self._loop = loop
        self._id = id_
        self._notify = notify
        self._inlets: dict[int, Inlet] = {}
        self._untold: dict[int, int] = {}  # input -> pieces of it that are under way, in order
        self._number = 0
        self._closed = False

    def add(self, task: Task) -> None:
        """Take in a task that was started."""
        fd = task.process.pipes.get(0)
        if fd is not None:
            self._inlets[task.place.rank] = Inlet(self._loop, fd)

    def write(self, given: Input) -> None:
        """Write to the tasks that are meant; told as Taken once all have it, in order."""
        self._number += 1
        number = self._number
        inlets = self._inlets
        wanted = inlets if given.ranks is None else [r for r in given.ranks if r in inlets]
        self._untold[number] = 1
        for rank in wanted:
            if given.data:
                self._untold[number] += 1
                inlets[rank].write(given.data, lambda: self._took(number))
            if given.eof:
                inlets[rank].finish()
        self._loop.call_soon(self._took, number)

    def close(self) -> None:
        """Close all, and tell nothing more."""
        self._closed = True
        for inlet in self._inlets.values():
            inlet.close()

    def _took(self, number: int) -> None:
        self._untold[number] -= 1
        while not self._closed and self._untold:
            first = next(iter(self._untold))
            if self._untold[first]:
                return
            del self._untold[first]
            self._notify(Taken(self._id))
