"""A client that submits jobs, does things to them, and remembers what it was answered."""

import asyncio
import errno
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from jobmgrd.client import Client, ConnectionLostError, NoDaemonError, RpcError
from jobmgrd.client.errors import RpcTimeoutError
from protocol.jobspec import from_command, set_attribute
from scripts.faults.ledger import Batch, Promise, Register

GONE: Final = (ConnectionLostError, NoDaemonError)
TIMEOUT: Final = 60.0
"""Seconds without an answer that are a fault of the daemon's, on any machine."""

RECENT: Final = 20
"""Jobs that more is done to: many of them are still active."""

INTERNAL: Final = "internal error"
"""What is answered when an error comes up that nobody has thought of."""

Step: TypeAlias = Callable[[Client], Awaitable[str]]
"""Does one thing; returns the kind of its answer."""


class SkippedError(Exception):
    """There is nothing to do this to."""


class Asking:
    """A client that takes one step after another until the daemon is gone."""

    pause = 0.0
    """Seconds at most between two steps."""

    def __init__(self, uri: str, dice: random.Random) -> None:
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._uri = uri
        self._dice = dice

    async def work(self) -> None:
        """Go on until the daemon is gone; a daemon that does not answer is a fault."""
        try:
            async with Client(self._uri, timeout=TIMEOUT) as client:
                while True:
                    await self._step(client)
                    await asyncio.sleep(self._dice.uniform(0, self.pause))
        except GONE:
            return
        except RpcTimeoutError as error:
            self.wrong.append(str(error))

    async def _step(self, client: Client) -> None:
        steps = self.steps()
        (chosen,) = self._dice.choices([step for _, step in steps], [weight for weight, _ in steps])
        try:
            self.answers[await chosen(client)] += 1
        except SkippedError:
            return
        except RpcError as error:  # the job has ended or gone, or a fault was injected
            self.errors[error.name] += 1
            if INTERNAL in error.text or error.errnum == errno.EPROTO:
                self.wrong.append(str(error))

    def steps(self) -> Sequence[tuple[float, Step]]:
        """What it does, and how often."""
        raise NotImplementedError

    async def set(
        self,
        register: Register,
        value: object,
        request: Awaitable[Mapping[str, Any]],
        left_open: frozenset[int] = frozenset(),
    ) -> None:
        """Set a value by a request; `left_open` are errors that do not say whether it is set."""
        register.ask(value)
        try:
            await request
        except RpcError as error:
            if error.errnum not in left_open:
                register.refuse()
            raise
        register.answer(value)


class Owner(Asking):
    """The jobs that one client submitted, and what it does with them."""

    def __init__(self, uri: str, dice: random.Random, ran: Path, name: str) -> None:
        super().__init__(uri, dice)
        self.promises: list[Promise] = []
        self.batches: list[Batch] = []
        self._ran = ran
        self._name = name
        self._number = 0

    def steps(self) -> Sequence[tuple[float, Step]]:
        """See Asking."""
        return (
            (5, self._submit), (1, self._cancel), (1, self._urgency), (1, self._memo),
            (1, self._update), (1, self._pin), (1, self._unpin), (1, self._purge_id),
            (0.5, self._purge),
        )  # fmt: skip

    async def _submit(self, client: Client) -> str:
        self._number += 1
        name = f"{self._name}-{self._number}"
        kind = self._dice.choices(("real", "limited", "short"), (1, 1, 8))[0]
        if kind == "real":
            line = f'echo "$FLUX_JOB_ID" >> {self._ran}'
            spec = from_command(["sh", "-c", line], cwd="/", environment={"PATH": "/usr/bin:/bin"})
        else:
            spec = from_command(["simulated"])
            duration = "0" if kind == "limited" else f"{self._dice.randrange(1, 400)}ms"
            set_attribute(spec, "system.exec.test.run_duration", duration)
        if kind == "limited":  # else it would run until it is canceled, and hold its core
            set_attribute(spec, "system.duration", self._dice.uniform(0.1, 2.0))
        set_attribute(spec, "system.job.name", name)
        if self._dice.random() < 0.1:  # noqa: PLR2004 - one in ten
            set_attribute(spec, "system.queue", "spare")
        urgency = self._dice.choice((0, *(16,) * 15))
        reply = await client.rpc("job-ingest.submit", {"jobspec": spec, "urgency": urgency})
        self.promises.append(Promise(reply["id"], name, real=kind == "real"))
        return "submit"

    async def _cancel(self, client: Client) -> str:
        job = self._choose()
        request = {"id": job.id, "type": "cancel", "severity": 0, "note": ""}
        await self.set(job.canceled, True, client.rpc("job-manager.raise", request))
        return "cancel"

    async def _urgency(self, client: Client) -> str:
        job, urgency = self._choose(), self._dice.randrange(32)
        await client.rpc("job-manager.urgency", {"id": job.id, "urgency": urgency})
        job.note("urgency", urgency)
        return "urgency"

    async def _memo(self, client: Client) -> str:
        job, n = self._choose(), self._dice.randrange(1 << 30)
        await client.rpc("job-manager.memo", {"id": job.id, "memo": {"n": n}})
        job.note("memo", n)
        return "memo"

    async def _update(self, client: Client) -> str:
        job, duration = self._choose(), self._dice.uniform(1.0, 3.0)
        updates = {"attributes.system.duration": duration}
        await client.rpc("job-manager.update", {"id": job.id, "updates": updates})
        job.note("jobspec-update", duration)
        return "update"

    async def _pin(self, client: Client) -> str:
        job = self._choose()
        request = client.rpc("job-manager.pin", {"id": job.id, "reason": "crash"})
        # A pin that was kept, of a job that then could not be looked at: it is undone, or not.
        await self.set(job.pinned, True, request, frozenset({errno.EIO}))
        return "pin"

    async def _unpin(self, client: Client) -> str:
        job = self._choose(lambda job: not job.pinned.is_surely(value=False))
        await self.set(job.pinned, False, client.rpc("job-manager.unpin", {"id": job.id}))
        return "unpin"

    async def _purge_id(self, client: Client) -> str:
        job = self._choose(lambda job: job.pinned.is_surely(value=False))
        reply = await client.rpc("job-manager.purge-id", {"id": job.id, "force": True})
        self.batches.append(Batch(reply["seq"], 1, frozenset({job.id})))
        job.purged = True
        return "purge-id"

    async def _purge(self, client: Client) -> str:
        batch = self._dice.randrange(1, 40)
        request = {"num_limit": self._dice.randrange(300), "batch": batch, "force": True}
        if self._dice.random() < 0.5:  # noqa: PLR2004 - every other time
            request["attrs"] = ["id"]
        reply = await client.rpc("job-manager.purge", request)
        if reply["count"] > batch:
            self.wrong.append(f"{reply['count']} jobs were purged, {batch} were asked for")
        if reply["count"]:
            shown = reply.get("jobs")
            jobs = None if shown is None else frozenset(job["id"] for job in shown)
            self.batches.append(Batch(reply["seq"], reply["count"], jobs))
        return "purge"

    def _choose(self, fits: Callable[[Promise], bool] = lambda _job: True) -> Promise:
        fitting = [job for job in self.promises[-RECENT:] if fits(job)]
        if not fitting:
            raise SkippedError
        return self._dice.choice(fitting)
