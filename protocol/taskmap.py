"""Task maps (RFC 34): which task of a job runs on which of its nodes, in a few numbers.

A map is a sequence of blocks. Each says: on `nnodes` nodes from `nodeid` on, `ppn` tasks each in
the order of the nodes, and that `repeat` times; tasks are numbered as they come. Nodes are counted
within the job, from 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from protocol import shape
from protocol.errors import FormatError

_Count: TypeAlias = Annotated[int, Meta(ge=1)]


class Block(Struct, frozen=True, array_like=True):
    """A block of a map; an array of four numbers on the wire."""

    nodeid: Annotated[int, Meta(ge=0)]
    nnodes: _Count
    ppn: _Count
    repeat: _Count

    @property
    def size(self) -> int:
        """How many tasks it has."""
        return self.nnodes * self.ppn * self.repeat


class _Wrapped(Struct):
    version: Annotated[int, Meta(ge=1, le=1)]
    map: tuple[Block, ...]


Taskmap: TypeAlias = Sequence[Block]

_RAW: Final = msgspec.json.Decoder(tuple[Block, ...])
_WRAPPED: Final = msgspec.json.Decoder(_Wrapped)


def parse(text: str) -> tuple[Block, ...]:
    """Read a map that is JSON, bare or wrapped with its version.

    Raises:
        FormatError: it is neither.
    """
    data = text.encode(errors="surrogateescape")
    if data.lstrip().startswith(b"{"):
        return shape.decode(data, _WRAPPED, "taskmap").map
    return shape.decode(data, _RAW, "taskmap")


def wrap(taskmap: Taskmap) -> Mapping[str, Any]:
    """A map as events have it."""
    return {"version": 1, "map": [msgspec.to_builtins(block) for block in taskmap]}


def size(taskmap: Taskmap) -> int:
    """How many tasks there are."""
    return sum(block.size for block in taskmap)


def nodes(taskmap: Taskmap) -> Iterator[int]:
    """The node of each task, in the order of the tasks."""
    for block in taskmap:
        for _ in range(block.repeat):
            for node in range(block.nodeid, block.nodeid + block.nnodes):
                for _ in range(block.ppn):
                    yield node


def counts(taskmap: Taskmap, nnodes: int) -> list[int]:
    """How many tasks each of the nodes has.

    Raises:
        FormatError: the map names a node beyond them.
    """
    found = [0] * nnodes
    for block in taskmap:
        if block.nodeid + block.nnodes > nnodes:
            last = block.nodeid + block.nnodes - 1
            raise FormatError(f"taskmap: node {last} is not one of the job's {nnodes}")
        for node in range(block.nodeid, block.nodeid + block.nnodes):
            found[node] += block.ppn * block.repeat
    return found


def block(counts: Sequence[int]) -> tuple[Block, ...]:
    """The map that fills one node after the other, given how many tasks each has."""
    blocks: list[Block] = []
    nodeid = 0
    for ppn, group in groupby(counts):
        nnodes = len(list(group))
        if ppn:
            blocks.append(Block(nodeid, nnodes, ppn, 1))
        nodeid += nnodes
    return tuple(blocks)


def cyclic(counts: Sequence[int], stride: int = 1) -> tuple[Block, ...]:
    """The map that gives each node `stride` tasks in turns, until it has its count."""
    left = list(counts)
    blocks: list[Block] = []
    while any(left):
        takes = [min(stride, n) for n in left]
        turn = block(takes)
        times = 1
        if len(turn) == 1:  # a block that can be repeated until a node is full
            times = max(1, min(n // stride for n in left if n))
            turn = (msgspec.structs.replace(turn[0], repeat=times),)
        blocks += turn
        left = [n - take * times for n, take in zip(left, takes, strict=True)]
    return tuple(blocks)
