"""The one client that switches what is everybody's: a queue, a node, the configuration."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from jobmgrd.client import Client
from scripts.faults.ledger import Register
from scripts.faults.owner import Asking, Step

QUEUE: Final = "spare"
RANK: Final = "1"
KEPT: Final = 300
"""Inactive jobs that are kept at first."""


class Steward(Asking):
    """What was switched, and what was answered.

    `configure` writes the configuration anew, with another number of jobs that are kept.
    """

    pause = 0.02

    def __init__(self, uri: str, dice: random.Random, configure: Callable[[int], None]) -> None:
        super().__init__(uri, dice)
        self._configure = configure
        self._registers = {
            "queue started": Register(value=True),
            "queue enabled": Register(value=True),
            "node drained": Register(value=False),
            "jobs kept": Register(KEPT),
        }

    def steps(self) -> Sequence[tuple[float, Step]]:
        """See Asking."""
        return (1, self._start), (1, self._enable), (1, self._drain), (0.3, self._reload)

    async def _start(self, client: Client) -> str:
        start = self._dice.random() < 0.5  # noqa: PLR2004 - the toss of a coin
        body = {"name": QUEUE, "start": start, "all": False}
        request = client.rpc("job-manager.queue-start", body)
        await self.set(self._registers["queue started"], start, request)
        return "queue start or stop"

    async def _enable(self, client: Client) -> str:
        enable = self._dice.random() < 0.5  # noqa: PLR2004
        body = {"name": QUEUE, "enable": enable, "all": False}
        body |= {} if enable else {"reason": "crash"}
        request = client.rpc("job-manager.queue-enable", body)
        await self.set(self._registers["queue enabled"], enable, request)
        return "queue enable or disable"

    async def _drain(self, client: Client) -> str:
        drain = self._dice.random() < 0.5  # noqa: PLR2004
        topic = "resource.drain" if drain else "resource.undrain"
        request = client.rpc(topic, {"targets": RANK, "reason": "crash"})
        await self.set(self._registers["node drained"], drain, request)
        return "drain or undrain"

    async def _reload(self, client: Client) -> str:
        register, kept = self._registers["jobs kept"], self._dice.randrange(KEPT, 2 * KEPT)
        register.ask(kept)
        self._configure(kept)  # whoever starts from now on starts with it, answered or not
        await client.rpc("config.reload")
        register.answer(kept)
        return "reload"

    async def look(self, client: Client, checked: Counter[str]) -> Sequence[str]:
        """Whatever does not hold of what was switched."""
        queue = await client.rpc("job-manager.queue-status", {"name": QUEUE})
        resources = await client.rpc("resource.status")
        stats = await client.rpc("job-manager.stats-get")
        seen = {
            "queue started": queue["start"],
            "queue enabled": queue["enable"],
            "node drained": RANK in resources["drain"],
            "jobs kept": stats["purge"]["num_limit"],
        }
        return list(self._broken(seen, checked))

    def _broken(self, seen: dict[str, object], checked: Counter[str]) -> Iterator[str]:
        for name, value in seen.items():
            checked[name] += 1
            before = str(self._registers[name])
            if not self._registers[name].see(value):
                yield f"{name} is {value}, and should be {before}"
