"""Every reader of foreign bytes: its law, and good bytes for a fuzzer to begin with.

scripts/atheris looks for bytes that break a law, tests/fuzz/test_fuzz_readers.py tries some in each
run of the tests, and what once broke one is kept in tests/fuzz/found/TARGET.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgpack
from msgspec import Struct

from protocol import jobspec, stream
from protocol.message import Control, Event, Request, Response
from protocol.signature import wrap
from tests.fuzz import laws_of_bytes as of_bytes
from tests.fuzz import laws_of_values as of_values

FOUND: Final = Path(__file__).parent / "found"
"""A directory for each target, a file for each thing that was found."""


class Form(Enum):
    """What good bytes of a target are, so that some of those tried are nearly good."""

    BYTES = "bytes"
    TEXT = "text"
    JSON = "json"


class Target(Struct, frozen=True):
    """A law, and what it is tried with first."""

    law: Callable[[bytes], None]
    seeds: Sequence[bytes]
    form: Form = Form.TEXT


def _json(*values: object) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def _texts(*texts: str) -> list[bytes]:
    return [text.encode() for text in texts]


def _framed(frames: Sequence[bytes]) -> bytes:
    """Frames as laws_of_bytes.cut takes them apart."""
    return b"".join(bytes((len(frame),)) + frame for frame in frames)


_REQUEST: Final = Request("job-manager.getinfo", b"\x80", matchtag=1, routes=(b"abc",))
_MESSAGES: Final = (
    _REQUEST,
    Response("job-manager.getinfo", b"no\0", errnum=2, matchtag=1),
    Event("heartbeat.pulse", b"\x80", sequence=7),
    Control(1, 2),
)

JOB: Final[Mapping[str, Any]] = jobspec.from_command(
    ["true", "-v"],
    num_tasks=4,
    num_nodes=2,
    gpus_per_task=1,
    cwd="/",
    environment={"A": "b"},
    attributes={
        "duration": "5m",
        "queue": "debug",
        "dependencies": [{"scheme": "afterok", "value": "ƒ1"}],
        "constraints": {"properties": ["ssd", "^slow"]},
        "files": {"a": {"mode": 33188, "data": "eA==", "encoding": "base64"}, "b": {"data": {}}},
        "exec.test": {"run_duration": "1ms", "wait_status": 256},
        "user.comment": "x",
    },
)
OPTIONS: Final[Mapping[str, Any]] = {
    "input": {"stdin": {"type": "file", "path": "a"}, "limit": "10M"},
    "output": {
        "mode": "append",
        "limit": 5,
        "stderr": {"type": "kvs"},
        "stdout": {"path": "{{id}}"},
    },
    "cpu-affinity": "map:0-1;0x3",
    "gpu-affinity": "per-task",
    "rlimit": {"nofile": -1, "core": 0},
    "umask": "077",
    "exit-timeout": "30s",
    "exit-on-error": 1,
    "signal": {"timeleft": 5.0, "signum": 10},
    "taskmap": {"scheme": "manual", "value": "[[0,2,2,1]]"},
    "per-resource": {"type": "core", "count": 1},
}
OPTIONAL: Final = jobspec.from_command(["a"], cwd="/", attributes={"shell.options": dict(OPTIONS)})
R: Final[Mapping[str, Any]] = {
    "version": 1,
    "execution": {
        "R_lite": [
            {"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}},
            {"rank": "4", "children": {"core": "2"}},
        ],
        "nodelist": ["node[0-1]", "other"],
        "nslots": 3,
        "properties": {"ssd": "0,4"},
        "starttime": 1.0,
        "expiration": 60.5,
    },
}
LISTING: Final[Sequence[Mapping[str, Any]]] = (
    {"and": [{"states": ["inactive", 64]}, {"not": [{"name": ["a", "b"]}]}, {"userid": [-1, 5]}]},
    {"or": [{"results": ["failed", "TO"]}, {"queue": ["debug"]}, {"t_run": [">=1.5"]}]},
    {"hostlist": ["node[0-3,5]"]},
    {"ranks": ["0-3,5"]},
)
PLACES: Final[Sequence[Mapping[str, Any]]] = (
    {"and": [{"properties": ["ssd", "^slow"]}, {"not": [{"hostlist": ["node[0-3]"]}]}]},
    {"or": [{"ranks": ["0-3"]}, {}]},
)
EXAMPLE: Final = Path(__file__).parents[2] / "etc" / "jobmgrd.toml"


def _tables() -> list[bytes]:
    """The example, and each of its tables with its settings in force."""
    text = re.sub(r"^#(?=\[|[a-z-]+ =)", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    text = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    unknown = "[other]\na = 1\nb = [[1.5, nan], {c = -inf}]\nd = 1979-05-27T07:32:00Z\n"
    return _texts(text, unknown, *(part for part in re.split(r"\n(?=\[)", text)))


CONFIG: Final[Mapping[str, Any]] = {
    "daemon": {"log-level": "info"},
    "rpc": {"bind": ["ipc://{{rundir}}/rpc"], "max-message-size": "4M"},
    "access": {"private-mode": True, "admins": ["root", 5], "roles": {"admin": {"groups": []}}},
    "heartbeat": {"period": "1s"},
    "job-manager": {
        "inactive-age-limit": "7d",
        "retention": [{"name": "a", "result": ["failed"], "num-limit": 5}],
        "prolog": {"command": ["/bin/true", "-v"], "timeout": "5s", "kill-timeout": 2.5},
        "housekeeping": {"command": ["/bin/true"]},
        "plugins": [{"load": "user-limits", "conf": {"max-active": 5}}],
    },
    "policy": {"limits": {"duration": "1h", "job-size": {"max": {"ncores": 5}}}},
    "queues": {"debug": {"requires": ["x"]}, "child": {"parent": "debug"}},
    "resource": {"config": [{"hosts": "a[0-1]", "cores": "0-3", "properties": ["x"]}]},
}

TARGETS: Final[Mapping[str, Target]] = {
    "message": Target(
        of_bytes.message, [_framed(message.frames()) for message in _MESSAGES], Form.BYTES
    ),
    "unix-stream": Target(
        of_bytes.unix_stream,
        [b"\x05" + stream.encode(message.frames()) * 2 for message in _MESSAGES],
        Form.BYTES,
    ),
    "payload": Target(
        of_bytes.payloads,
        [
            *_json({"a": [1, -1.5e300, None, True], "b": {"c": "ƒ"}}, R),
            msgpack.packb(dict(R)),
            msgpack.packb({"a": [1, 2.5, b"x", 2**64 - 1, None], "b": {"c": "d" * 40}}),
        ],
        Form.BYTES,
    ),
    "request": Target(
        of_bytes.requests,
        [
            bytes((n,)) + text
            for n in range(len(of_bytes.REQUESTS))
            for text in _json(
                {
                    "id": 1,
                    "type": "cancel",
                    "severity": 0,
                    "signum": 9,
                    "attrs": ["all"],
                    "flags": 0,
                }
            )
        ],
        Form.BYTES,
    ),
    "duration": Target(of_bytes.durations, _texts("1.5e2h", "0x1.8p3s", "infinity", "+.5ms", "2d")),
    "jobid": Target(
        of_bytes.jobids,
        _texts("ƒ1abcXYZ", "fuzz", "0xdeadbeef", "job.0000.0001.00a2.0003", "18446744073709551615"),
    ),
    "idset": Target(of_bytes.idsets, _texts("0-3,5,7-4294967294", "[1-2]", "")),
    "hostlist": Target(
        of_bytes.hostlists, _texts("a[0-3,5]b,c,d09,d10", "x[007-010]", "h[0-65535]")
    ),
    "size": Target(of_bytes.sizes, _texts("1.5G", "512k", "0")),
    "taskmap": Target(
        of_bytes.taskmaps,
        _json([[0, 2, 2, 1], [2, 1, 1, 3]], {"version": 1, "map": [[0, 1, 1, 1]]}),
    ),
    "dependency": Target(
        of_bytes.dependencies, _texts("afterok:ƒ1", "begin-time:1.5?a=1&b=x;b=2.5&c", "singleton")
    ),
    "directive": Target(
        of_bytes.directive_lines,
        _texts(
            "#!/bin/sh\n# flux: -N4 --job-name='my job' # x\n",
            "# flux: --a='''\n# flux: b\n# flux: c'''\ntrue",
        ),
    ),
    "signature": Target(of_bytes.signatures, _texts(wrap(b"{}", 1000))),
    "shell-topic": Target(of_bytes.shell_topics, _texts("1000-shell-f1abc.stdin")),
    "template": Target(
        of_bytes.templates, _texts("{{id}}/{{id.dothex}}-{{task.rank}}.{{node.cores}}")
    ),
    "job-constraint": Target(of_values.job_constraints, _json(*LISTING), Form.JSON),
    "node-constraint": Target(of_values.node_constraints, _json(*PLACES), Form.JSON),
    "query": Target(of_values.queries, _texts("ssd&-slow|not (host:a[0-3] rank:'1') or x,^y")),
    "jobspec": Target(of_values.jobspecs, _json(JOB, OPTIONAL), Form.JSON),
    "R": Target(of_values.resource_sets, _json(R), Form.JSON),
    "eventlog": Target(
        of_values.eventlogs,
        [b'{"timestamp":1.5,"name":"submit","context":{"userid":0}}\n{"timestamp":2,"name":"a"}\n'],
    ),
    "config": Target(of_values.configurations, _tables()),
    "config-load": Target(of_values.loads, _json(CONFIG), Form.JSON),
    "http": Target(of_bytes.http_requests, _texts("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")),
    "key-file": Target(
        of_values.key_files,
        _texts('public-key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"\nuser = "root" # x\n'),
    ),
}
