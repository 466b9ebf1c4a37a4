"""Where the tasks of a job go among the nodes that it was given (flux-core shell/rcalc.c).

How many each node gets follows from its cores, or from the option `per-resource`; which of them
these are, from the option `taskmap`.
"""

from collections.abc import Sequence

from protocol import taskmap
from protocol.errors import FormatError
from protocol.jobspec import Jobspec
from protocol.jobspec.v1 import COUNT_MAX
from protocol.resource_set import Rank
from protocol.taskmap import Block


def place(spec: Jobspec, ranks: Sequence[Rank]) -> tuple[Block, ...]:
    """The tasks of a job on its ranks, as a task map (RFC 34).

    Raises:
        FormatError: there are too many tasks; a manual map does not have the job's tasks, or
            names other nodes.
    """
    if len(ranks) == 1 and spec.shell.per_resource is None and not spec.shell.taskmap.map:
        return (Block(0, 1, spec.ntasks, 1),)
    counts = _counts(spec, ranks)
    if sum(counts) > COUNT_MAX:
        raise FormatError(f"expected at most {COUNT_MAX} tasks, got {sum(counts)}")
    option = spec.shell.taskmap
    if option.scheme == "cyclic":
        return taskmap.cyclic(counts, option.stride)
    if option.scheme == "manual":
        found, expected = taskmap.size(option.map), sum(counts)
        if found != expected:
            raise FormatError(f"taskmap: has {found} tasks, expected {expected}")
        taskmap.counts(option.map, len(ranks))  # looks for nodes beyond them
        return option.map
    return taskmap.block(counts)


def _counts(spec: Jobspec, ranks: Sequence[Rank]) -> list[int]:
    """How many tasks each node gets."""
    per = spec.shell.per_resource
    if per is None:
        return _spread(spec.ntasks, spec.cores_per_slot, [len(rank.cores) for rank in ranks])
    if per.type == "node":
        return [per.count] * len(ranks)
    return [per.count * len(rank.cores) for rank in ranks]


def _spread(ntasks: int, size: int, cores: Sequence[int]) -> list[int]:
    """Deal tasks out to the nodes in turns, those with most cores first, while they have room.

    If no node has room for a further task, all of them take tasks again. Whole turns are dealt at
    once: a job may have a million tasks.
    """
    size = min(size, *cores) or 1
    room = [n // size for n in cores]
    times, left = divmod(ntasks, sum(room))
    counts = [n * times for n in room]
    active = [node for node in sorted(range(len(cores)), key=lambda n: -cores[n]) if room[node]]
    while left:
        turns = min(*(room[node] for node in active), left // len(active))
        taking = active if turns else active[:left]
        for node in taking:
            counts[node] += turns or 1
            room[node] -= turns
        left -= len(taking) * (turns or 1)
        active = [node for node in active if room[node]]
    return counts
