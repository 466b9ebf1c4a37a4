"""Messages that are nearly right: good requests, and what dice make of them."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack

from protocol.jobspec import from_command, set_attribute
from protocol.message import FLAG_NORESPONSE, FLAG_STREAMING, Request
from protocol.payload import Format, encode

Frames = list[bytes]

BITS: Final = 8
ODD: Final[Sequence[Any]] = (
    None, True, -1, 0, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 1e308, -0.0, float("nan"),
    float("inf"), "", "x" * 300, "\0", "ƒ", "\ud7ff", b"\xff\0", [], {}, [[]], {"": {}},
    [None] * 40,
)  # fmt: skip
"""Values that are of the wrong type, or at a limit."""

CONSTRAINT: Final = {"and": [{"states": ["inactive"]}, {"not": [{"name": ["a", "b"]}]}]}
STREAMS: Final = frozenset(
    {
        "job-manager.events-journal",
        "job-manager.purge-log",
        "job-info.eventlog-watch",
        "job-info.update-watch",
        "job-list.job-stats",
        "log.dmesg",
        "groups.get",
    }
)


def jobspec() -> dict[str, Any]:
    """A job that ends at once and touches nothing."""
    spec: dict[str, Any] = from_command(["simulated"], cwd="/")
    set_attribute(spec, "system.exec.test.run_duration", "1ms")
    return spec


def requests() -> list[tuple[str, dict[str, Any]]]:
    """A good request of each kind: those that change nothing for other clients."""
    one, none = {"id": 1 << 24}, dict[str, Any]()
    return [
        ("job-ingest.submit", {"jobspec": jobspec(), "urgency": 16, "flags": 0}),
        ("job-ingest.submit", {"J": "eyJ2ZXJzaW9uIjoxfQ==.e30=.none", "urgency": 16, "flags": 0}),
        ("job-manager.raise", {**one, "type": "cancel", "severity": 0, "note": "n"}),
        ("job-manager.kill", {**one, "signum": 15}),
        ("job-manager.urgency", {**one, "urgency": 5}),
        ("job-manager.memo", {**one, "memo": {"a": 1}, "volatile": False}),
        ("job-manager.update", {**one, "updates": {"attributes.system.duration": 5.0}}),
        ("job-manager.wait", one),
        ("job-manager.pin", {**one, "reason": "r", "until": 0.0}),
        ("job-manager.unpin", one),
        ("job-manager.pin-list", none),
        ("job-manager.retention", one),
        ("job-manager.purge", {"age_limit": -1.0, "num_limit": -1, "batch": 10, "force": False}),
        ("job-manager.purge-id", {"ids": [1, 2], "force": False}),
        ("job-manager.purge-log", {"since": 0, "follow": False}),
        ("job-manager.getattr", {**one, "attrs": ["jobspec", "R", "eventlog"]}),
        ("job-manager.list", {"max_entries": 5}),
        ("job-manager.stats-get", none),
        ("job-manager.totals", none),
        ("job-manager.orphans", none),
        ("job-manager.queue-list", none),
        ("job-manager.events-journal", {"full": True, "allow": {"submit": 1}, "since": 0.0}),
        ("job-manager.history.get", none),
        ("job-list.list", {"max_entries": 5, "attrs": ["all"], "constraint": CONSTRAINT}),
        ("job-list.list-id", {**one, "attrs": ["name", "state"]}),
        ("job-list.list-attrs", none),
        ("job-list.job-stats", none),
        ("job-info.lookup", {**one, "keys": ["jobspec", "eventlog"], "flags": 0}),
        ("job-info.eventlog-watch", {**one, "path": "eventlog", "flags": 0}),
        ("job-info.update-lookup", {**one, "key": "R", "flags": 0}),
        ("job-info.update-watch", {**one, "key": "R", "flags": 0}),
        ("resource.status", none),
        ("resource.sched-status", none),
        ("heartbeat.stats-get", none),
        ("health.check", none),
        ("config.get", none),
        ("attr.get", {"name": "size"}),
        ("module.list", {"service": "job-manager"}),
        ("event.subscribe", {"topic": "x"}),
        ("event.unsubscribe", {"topic": "x"}),
        ("event.publish", {"topic": "fuzz", "flags": 0, "payload": "e30="}),
        ("job-manager.events-journal-cancel", {"matchtag": 3}),
        ("log.dmesg", {"follow": False, "nobacklog": False}),
        ("groups.get", {"name": "broker.online"}),
        ("job-manager.ping", {"seq": 1}),
        ("disconnect", none),
    ]


class Mutator:
    """Makes one nearly right message after another."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._requests = requests()
        self._changes: Sequence[Callable[[Frames], Frames]] = (
            self._flip, self._flip, self._cut, self._insert, self._splice, self._frames,
        )  # fmt: skip
        self._last: Frames = [b""]

    def next(self) -> Frames:
        """A message; half of them are wrong in their values alone, half in their bytes, too."""
        topic, value = self._dice.choice(self._requests)
        if self._dice.random() < 0.7:  # noqa: PLR2004 - most of them
            value = self._wrong(value)
        frames = Request(
            topic, self._encoded(value), matchtag=self._dice.randrange(50), flags=self._flags(topic)
        ).frames()
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            for _ in range(self._dice.randrange(1, 4)):
                frames = self._dice.choice(self._changes)(frames)
        self._last = frames
        return frames

    def _encoded(self, value: dict[str, Any]) -> bytes:
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            try:
                return encode(value, Format.JSON)
            except (TypeError, ValueError):
                pass
        return bytes(msgpack.packb(value))

    def _flags(self, topic: str) -> int:
        flags = FLAG_STREAMING if topic in STREAMS else 0
        chance = self._dice.random()
        if chance < 0.05:  # noqa: PLR2004 - a few of them
            return flags ^ FLAG_STREAMING
        return flags | FLAG_NORESPONSE if chance < 0.1 else flags  # noqa: PLR2004 - as above

    def _wrong(self, value: Any) -> Any:  # noqa: ANN401 - any value of a payload
        """A value with one thing in it replaced, left out or added."""
        if isinstance(value, dict) and value and self._dice.random() < 0.9:  # noqa: PLR2004
            key = self._dice.choice(list(value))
            what = self._dice.randrange(6)
            if what == 0:
                return {k: v for k, v in value.items() if k != key}
            if what == 1:
                return {**value, self._dice.choice(("", "x", "id", key.upper())): self._odd()}
            return {**value, key: self._wrong(value[key])}
        if isinstance(value, list) and value and self._dice.random() < 0.7:  # noqa: PLR2004
            n = self._dice.randrange(len(value))
            return [*value[:n], self._wrong(value[n]), *value[n + self._dice.randrange(2) :]]
        return self._odd()

    def _odd(self) -> Any:  # noqa: ANN401 - any value of a payload
        return self._dice.choice(ODD)

    def _flip(self, frames: Frames) -> Frames:
        """Turn a bit over."""
        n = self._dice.randrange(len(frames))
        if not frames[n]:
            return frames
        data = bytearray(frames[n])
        data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(BITS)
        return [*frames[:n], bytes(data), *frames[n + 1 :]]

    def _cut(self, frames: Frames) -> Frames:
        n = self._dice.randrange(len(frames))
        end = self._dice.randrange(len(frames[n]) + 1)
        return [*frames[:n], frames[n][:end], *frames[n + 1 :]]

    def _insert(self, frames: Frames) -> Frames:
        n = self._dice.randrange(len(frames))
        at = self._dice.randrange(len(frames[n]) + 1)
        junk = self._dice.randbytes(self._dice.choice((1, 2, 20, 300)))
        return [*frames[:n], frames[n][:at] + junk + frames[n][at:], *frames[n + 1 :]]

    def _splice(self, frames: Frames) -> Frames:
        """The beginning of this one, and the end of the one before."""
        return [
            *frames[: self._dice.randrange(1, len(frames) + 1)],
            *self._last[self._dice.randrange(len(self._last)) :],
        ]

    def _frames(self, frames: Frames) -> Frames:
        """A frame less, twice, or elsewhere."""
        n = self._dice.randrange(len(frames))
        less = [*frames[:n], *frames[n + 1 :]]
        if self._dice.random() < 0.5:  # noqa: PLR2004 - half of them
            return less or frames
        at = self._dice.randrange(len(frames) + 1)
        return [*frames[:at], frames[n], *frames[at:]]
