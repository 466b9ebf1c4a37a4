"""The good client: what it is answered has to be right, while others lie and after each turn.

under_attack()  in the midst of mutated messages: what nobody else can change
at_rest()       once they were taken: the configuration is whole; all that was switched is put
                back, and jobs of its own run as they should
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import tomli

from jobmgrd.client import BlockingClient, RpcError
from jobmgrd.client.errors import RpcTimeoutError
from jobmgrd.config import ConfigError, check
from protocol.duration import parse as seconds_of
from scripts.faults.requests import EVERYBODY, PENDING_OR_RUNNING, jobspec, real
from scripts.faults.settings import BASE, toml

SLOW: Final = 5.0
"""Seconds that a good client may wait for an answer."""
NODES: Final = "0-4"
APART: Final = 4
"""Bits in which an id differs from what mutated messages name."""
RUN: Final = [
    "submit",
    "depend",
    "priority",
    "alloc",
    "start",
    "finish",
    "release",
    "free",
    "clean",
]
"""What becomes of a good job, but for what others may add."""


class Witness:
    """Asks one thing after another; `times` are the seconds of its answers under attack."""

    def __init__(self, client: BlockingClient, config: Path) -> None:
        self.times: list[float] = []
        self.looks = 0
        self._client = client
        self._config = config
        self._kept = 0
        self._token = ""

    def begin(self) -> list[int]:
        """Keep a job to ask for; ids of others that may come to harm."""
        self._token = secrets.token_hex(8)
        self._kept = self._submit(self._token)
        while self._kept.bit_count() < APART:  # 2**31 is an id, and what messages are changed to
            self._kept = self._submit(self._token)
        self._rpc("job-manager.pin", id=self._kept, reason="it is asked for")
        return self.victims()

    # --- in the midst -----------------------------------------------------------------------

    def under_attack(self) -> Iterator[str]:
        """Whatever is wrong with what nobody can change for this client."""
        token = secrets.token_hex(8)
        pong = self._timed("job-manager.ping", token=token)
        if pong.get("token") != token:
            yield f"ping answered {pong}"
        kept = self._timed("job-info.lookup", id=self._kept, keys=["jobspec"], flags=0)
        if kept["id"] != self._kept or self._token not in kept["jobspec"]:
            yield f"job {self._kept} was looked up as {kept}"
        listed = self._timed("job-list.list-id", id=self._kept, attrs=["name"])["job"]
        if (listed["id"], listed["name"]) != (self._kept, "simulated"):
            yield f"job {self._kept} is listed as {listed}"
        if (slowest := max(self.times[-3:])) > SLOW:
            yield f"an answer took {slowest:.1f} s"

    def _timed(self, topic: str, **payload: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        begin = time.perf_counter()
        answer = self._rpc(topic, **payload)
        self.times.append(time.perf_counter() - begin)
        return answer

    def report(self) -> str:
        """How many answers there were, and how long they took."""
        if len(self.times) < 2:  # noqa: PLR2004 - of which there are no quantiles
            return "good client: no answers under attack"
        cuts = quantiles(self.times, n=100)
        return (
            f"good client: {len(self.times)} answers under attack, p50 {cuts[49] * 1000:.1f} ms,"
            f" p99 {cuts[98] * 1000:.1f} ms, slowest {max(self.times) * 1000:.0f} ms;"
            f" {self.looks} looks at rest"
        )

    # --- at rest ----------------------------------------------------------------------------

    def at_rest(self) -> Iterator[str]:
        """Whatever is wrong once nothing is under way; puts everything back."""
        self.looks += 1
        yield from self._torn()
        yield from self._restored()
        yield from self._served()

    def _torn(self) -> Iterator[str]:
        """The configuration has to be in force as a whole."""
        shown = self._rpc("config.get")
        try:
            config = check(shown, "config.get").config
        except ConfigError as error:
            yield f"a configuration is in force that is none: {error}"
            return
        stats = self._rpc("job-manager.stats-get")["purge"]
        limits = config.job_manager.limits
        found = {
            "heartbeat": self._rpc("heartbeat.stats-get")["period"],
            "limits": (stats["age_limit"], stats["num_limit"]),
            "queues": sorted(self._rpc("job-manager.queue-list")["queues"]),
            "plugins": self._rpc("job-manager.jobtap", query_only=True)["plugins"],
        }
        expected = {
            "heartbeat": config.heartbeat.period,
            "limits": (limits.age, limits.num),
            "queues": sorted(config.queues),
            "plugins": [plugin.load for plugin in config.job_manager.plugins],
        }
        if found != expected:
            yield f"the configuration is torn: {found} is in force, and {expected} is shown"

    def _restored(self) -> Iterator[str]:
        """Undo whatever mutated messages did to all."""
        self._config.write_text(toml(BASE))
        self._rpc("config.reload")
        if (shown := self._rpc("config.get")) != tomli.loads(toml(BASE)):
            yield f"the configuration was reloaded, and is {shown}"
        period = self._rpc("heartbeat.stats-get")["period"]
        if period != seconds_of(BASE["heartbeat"]["period"]):
            yield f"the heartbeat was reloaded, and is {period}"
        self._rpc("job-manager.queue-enable", enable=True, all=True)
        self._rpc("job-manager.queue-start", start=True, all=True)
        self._cleared()
        # One after the other, and after those that are still being kept: none is in between.
        self._rpc("resource.drain", targets=NODES, reason="", mode="force-overwrite")
        self._rpc("resource.undrain", targets=NODES)
        if drained := self._rpc("resource.status")["drain"]:
            yield f"all nodes were undrained, and {drained} are drained"
        pins = self._rpc("job-manager.pin-list")["pins"]
        if self._kept not in {pin["id"] for pin in pins}:
            yield "a pin is lost"
        for pin in pins:
            if pin["id"] != self._kept:
                with suppress(RpcError):  # it was purged meanwhile, and its pin with it
                    self._rpc("job-manager.unpin", id=pin["id"])

    def _cleared(self) -> None:
        """Cancel all jobs, and wait until they are no more: a failed epilog drains nodes.

        Twice, if need be: a submit that waits for a look at its dependencies is taken later than
        what was asked after it, and on drained nodes its job would wait for ever.
        """
        self._cancel_all()
        try:
            self._client.rpc("job-manager.drain", timeout=SLOW)
        except RpcTimeoutError:
            self._cancel_all()
            self._rpc("job-manager.drain")

    def _cancel_all(self) -> None:
        self._rpc(
            "job-manager.raiseall",
            dry_run=False,
            userid=EVERYBODY,
            states=PENDING_OR_RUNNING,
            severity=0,
            type="cancel",
        )

    def _served(self) -> Iterator[str]:
        """A job has to run, and to be told of as it was submitted."""
        token = secrets.token_hex(8)
        id = self._submit(token)
        self._rpc("job-manager.drain", name="good")
        kept = self._rpc("job-info.lookup", id=id, keys=["jobspec", "eventlog"], flags=0)
        if token not in kept["jobspec"]:
            yield f"job {id} has the jobspec of another"
        events = [json.loads(line) for line in kept["eventlog"].splitlines()]
        names = [event["name"] for event in events if event["name"] in RUN]
        status = [event["context"]["status"] for event in events if event["name"] == "finish"]
        if names != RUN or status != [0]:
            yield f"job {id} ran as {events}"

    def _submit(self, token: str) -> int:
        spec = jobspec(queue="good")
        spec["attributes"]["system"]["environment"] = {"TOKEN": token}
        return int(self._rpc("job-ingest.submit", jobspec=spec)["id"])

    def victims(self) -> list[int]:
        """Jobs that may come to harm: two that run, one that is held, one that ends at once."""
        return [
            self._victim(spec, urgency)
            for spec, urgency in (
                (real("/bin/cat"), 16),
                (jobspec("0"), 16),
                (jobspec("1ms"), 0),
                (jobspec("1ms"), 16),
            )
        ]

    def _victim(self, spec: dict[str, Any], urgency: int) -> int:
        """A job from whose id a turned bit does not lead to the one that is kept."""
        while True:
            id = int(self._rpc("job-ingest.submit", jobspec=spec, urgency=urgency)["id"])
            if (id ^ self._kept).bit_count() >= APART:
                return id

    def after_restart(self) -> Iterator[str]:
        """Whatever is wrong with what a daemon finds that was killed under attack."""
        if orphans := self._rpc("job-manager.orphans")["orphans"]:
            yield f"jobs were put aside: {orphans}"
        yield from self.under_attack()
        yield from self.at_rest()

    def _rpc(self, topic: str, **payload: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        return self._client.rpc(topic, payload)
