"""Configurations: one to come back to, and what dice make of it, good, half good and bad."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

Settings = dict[str, Any]
Place = tuple[str, ...]

BASE: Final[Mapping[str, Any]] = {
    "daemon": {"log-level": "info"},
    "heartbeat": {"period": "1s"},
    "events": {"job-state": True},
    "job-manager": {
        "archive": {"format": "sqlite"},
        "inactive-num-limit": 200,
        "tombstone-limit": {"num": 2000},
    },
    "metrics": {"bind": "unix:{{rundir}}/metrics"},
    "policy": {"jobspec": {"defaults": {"system": {"queue": "fuzz"}}}},
    "queues": {"good": {"requires": ["good"]}, "fuzz": {"requires": ["fuzz"]}},
    "resource": {
        "config": [
            {"hosts": "good", "cores": "0-15", "properties": ["good"]},
            {"hosts": "fuzz[0-3]", "cores": "0-15", "properties": ["fuzz"]},
        ]
    },
}
"""The witness has the queue and the node "good", what is sent by dice those called "fuzz"."""

RULES: Final = [{"name": "a", "result": ["failed"], "num-limit": 5}, {"name": "b", "queue": "fuzz"}]
GOOD: Final[Sequence[tuple[Place, Sequence[Any]]]] = (
    (("heartbeat", "period"), ("50ms", "2s", "0.5s", "1h")),
    (("job-manager", "inactive-num-limit"), (0, 5, 150, -1)),
    (("job-manager", "inactive-age-limit"), ("1s", "inf", "7d")),
    (("job-manager", "purge-budget"), ("1ms", "1s")),
    (("job-manager", "active-jobs-per-user"), (3, -1)),
    (("job-manager", "retention"), (RULES, RULES[:1], [])),
    (("job-manager", "tombstone-limit"), ({"num": 100}, {"age": "1s"})),
    (("job-manager", "prolog"), ({"command": ["/bin/true"]}, {"command": ["/bin/false"]})),
    (("job-manager", "epilog"), ({"command": ["/bin/true", "-v"], "timeout": "5s"},)),
    (("job-manager", "housekeeping"), ({"command": ["/bin/true"]},)),
    (
        ("job-manager", "plugins"),
        (
            [{"load": "user-limits", "conf": {"max-active": 50}}],
            [{"load": "priority-by-user"}, {"load": "user-limits"}],
        ),
    ),
    (("queues", "more"), ({}, {"parent": "fuzz"}, {"requires": ["fuzz"]})),
    (("queues", "good", "policy"), ({"limits": {"duration": "1m"}},)),
    (("queues",), ({"fuzz": {}}, {"good": {"requires": ["good"]}, "fuzz": {}, "b": {}})),
    (("policy", "limits", "job-size"), ({"max": {"ncores": 1}}, {"min": {"ncores": 2}})),
    (("policy", "access"), ({"allow-user": []}, {"allow-user": [0], "allow-group": [0]})),
    (("access",), ({"private-mode": True, "allow-guest-user": True}, {"admins": [5]})),
    (("events", "job-state"), (True, False)),
    (("rpc", "streams-per-peer"), (64, 1024)),
    (("rpc", "requests-per-peer"), (64, 1024)),
    (("rpc", "request-bytes-per-peer"), ("64k", "1M")),
    (("exec", "kill-timeout"), ("1s", "10s")),
    (("unknown",), ({"a": 1},)),
)
"""Changes that are accepted, most of them; some do not go together."""
BAD: Final[Sequence[tuple[Place, Any]]] = (
    (("heartbeat", "period"), "0s"),
    (("heartbeat", "period"), 5),
    (("job-manager", "inactive-num-limit"), "5"),
    (("job-manager", "inactive-age-limit"), "7 days"),
    (("job-manager", "retention"), [{"name": "a"}, {"name": "a"}]),
    (("job-manager", "plugins"), [{"load": "no-such-plugin"}]),
    (("job-manager", "plugins"), [{"load": "user-limits", "conf": {"max-active": "x"}}]),
    (("job-manager", "prolog"), {"command": []}),
    (("job-manager", "unknown"), 1),
    (("queues", "more"), {"parent": "nobody"}),
    (("queues", "fuzz"), {"parent": "fuzz"}),
    (("policy", "jobspec", "defaults", "system", "queue"), "nobody"),
    (("access", "admins"), ["nobody-of-this-name"]),
    (("rpc", "bind"), ["tcp://127.0.0.1:5555"]),
    (("curve",), {"clients": "relative"}),
)


def variant(dice: random.Random) -> Settings:
    """The base with some changes; one in three has a bad one among the good."""
    settings: Settings = deepcopy(dict(BASE))
    for _ in range(dice.randrange(4)):
        place, values = dice.choice(GOOD)
        put(settings, place, deepcopy(dice.choice(values)))
    if dice.random() < 1 / 3:
        place, value = dice.choice(BAD)
        put(settings, place, deepcopy(value))
    return settings


def put(settings: Settings, place: Place, value: object) -> None:
    """Set a key, making the tables on the way."""
    *tables, last = place
    for name in tables:
        settings = settings.setdefault(name, {})
    settings[last] = value


def file_of(dice: random.Random) -> bytes:
    """What a configuration file may have: a variant, now and then with some of its bytes wrong."""
    text = bytearray(toml(variant(dice)).encode())
    chance = dice.random()
    if chance < 0.05:  # noqa: PLR2004 - now and then
        return b""
    if chance < 0.3:  # noqa: PLR2004 - a quarter of them
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(text))
            text[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(text)


def toml(settings: Mapping[str, Any]) -> str:
    """A configuration as a file, its tables inline."""
    return "".join(f"{json.dumps(name)} = {_toml(value)}\n" for name, value in settings.items())


def _toml(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)
