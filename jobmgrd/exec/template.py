"""Mustache tags in paths and command arguments: {{id}}, {{taskid}} and their kin.

The tags are those of flux-shell (flux-core shell.c). A tag that is not known stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, get_args

from msgspec import Struct

from protocol import idset
from protocol.jobid import Spelling, encode
from protocol.resource_set import Rank

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_SPELLINGS: Final[Mapping[str, Spelling]] = {name: name for name in get_args(Spelling)}


class Place(Struct, frozen=True):
    """A task, and where it runs."""

    rank: int  # in the job
    local: int  # on its node
    nodeid: int  # of its node in the job
    node: Rank


class Names(Struct, frozen=True):
    """What the tags of a job stand for, those of a task aside."""

    id: int
    name: str
    size: int
    nnodes: int
    tmpdir: str


_Say: TypeAlias = Callable[[Names, Place], object]

_SAY: Final[Mapping[str, _Say]] = {
    "name": lambda job, _: job.name,
    "size": lambda job, _: job.size,
    "ntasks": lambda job, _: job.size,
    "nnodes": lambda job, _: job.nnodes,
    "tmpdir": lambda job, _: job.tmpdir,
    "taskid": lambda _, task: task.rank,
    "task.id": lambda _, task: task.rank,
    "task.rank": lambda _, task: task.rank,
    "task.index": lambda _, task: task.local,
    "task.localid": lambda _, task: task.local,
    "node.id": lambda _, task: task.nodeid,
    "node.name": lambda _, task: task.node.host,
    "node.broker_rank": lambda _, task: task.node.rank,
    "node.cores": lambda _, task: idset.format(task.node.cores),
    "node.gpus": lambda _, task: idset.format(task.node.gpus),
    "node.ncores": lambda _, task: len(task.node.cores),
    "node.ngpus": lambda _, task: len(task.node.gpus),
}


def render(template: str, job: Names, task: Place) -> str:
    """Replace the tags of a template.

    {{id}} and {{jobid}} are the job's id in F58, {{id.dec}} and so on in another of RFC 19's
    spellings; see _SAY for the others.
    """
    if "{{" not in template:
        return template

    def replace(tag: re.Match[str]) -> str:
        name = tag[1]
        if say := _SAY.get(name):
            return str(say(job, task))
        stem, _, spelling = name.partition(".")
        if stem in ("id", "jobid") and (spelling := spelling or "f58") in _SPELLINGS:
            return encode(job.id, _SPELLINGS[spelling])
        return tag[0]

    return _TAG.sub(replace, template)
