"""Mustache tags in output paths and command arguments: {{id}}, {{taskid}} and their kin.

The tags are those of flux-shell that have a meaning on one host (flux-core shell.c). A tag that
is not known stays as it is.
"""

import re
from typing import Final, get_args

from protocol.jobid import Spelling, encode

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_RANK: Final = ("taskid", "task.id", "task.rank", "task.index", "task.localid")
_SPELLINGS: Final[dict[str, Spelling]] = {name: name for name in get_args(Spelling)}


def render(template: str, *, id_: int, rank: int, size: int) -> str:
    """Replace the tags of a template.

    {{id}} and {{jobid}} are the job's id in F58, {{id.dec}} and so on in another of RFC 19's
    spellings; {{taskid}} is the task's `rank`, {{size}} and {{ntasks}} the number of tasks,
    {{nnodes}} is 1.
    """
    if "{{" not in template:
        return template

    def replace(tag: re.Match[str]) -> str:
        name = tag[1]
        if name in _RANK:
            return str(rank)
        if name in ("size", "ntasks"):
            return str(size)
        if name == "nnodes":
            return "1"
        stem, _, spelling = name.partition(".")
        if stem in ("id", "jobid") and (spelling := spelling or "f58") in _SPELLINGS:
            return encode(id_, _SPELLINGS[spelling])
        return tag[0]

    return _TAG.sub(replace, template)
