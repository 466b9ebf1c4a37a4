"""Jobspecs, version 1 (RFC 25): what a job needs and runs, checked whole and derived once.

v1.py       the shape: objects, keys and counts
reader.py   `parse` and `decode`, the submit path; `redact`, what may be shown of a jobspec
value.py    Jobspec, what is derived from one
builder.py  `from_command` and `set_attribute`, which build what `flux submit` would send
"""

from protocol.jobspec.builder import from_command, set_attribute
from protocol.jobspec.reader import decode, parse, redact
from protocol.jobspec.value import File, Jobspec, TestExec

__all__ = [
    "File",
    "Jobspec",
    "TestExec",
    "decode",
    "from_command",
    "parse",
    "redact",
    "set_attribute",
]
