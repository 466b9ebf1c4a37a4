"""The crash command: rounds of kill -9 under clients that check every answer they were given."""

import asyncio
import errno
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from jobmgrd.client import Client, ConnectionLostError, NoDaemonError, RpcError
from protocol.jobspec import from_command, set_attribute
from scripts.faults.daemon import Daemon
from scripts.faults.ledger import Batch, Known, Promise, Seen, broken, broken_log

CONFIG: Final = """
[daemon]
log-level = "warning"
[resource]
cores = 16
[heartbeat]
period = "50ms"
[job-manager]
inactive-num-limit = 300
[job-manager.archive]
[exec]
kill-timeout = "100ms"
"""

FAULTY: Final = "tests.e2e.daemon_under_test"
"""A daemon whose store fails by the dice of FAULT_SEED, but for while CALM is there."""
CALM: Final = "calm"
INJECTED: Final = "faults"

CLIENTS: Final = 4
LOOKS: Final = 150
"""Older jobs that are looked at again after each round."""
AT_ONCE: Final = 500
"""Jobs that are looked at at the same time."""

GONE: Final = (ConnectionLostError, NoDaemonError)


def thrown(seed: float) -> random.Random:
    """Dice that can be thrown again."""
    return random.Random(seed)  # noqa: S311 - nothing here is secret


class Owner:
    """A client, the jobs that it submitted, and what it does with them."""

    def __init__(self, uri: str, dice: random.Random, ran: Path) -> None:
        self.promises: list[Promise] = []
        self.batches: list[Batch] = []
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._uri = uri
        self._dice = dice
        self._ran = ran
        self._memos = 0

    async def work(self) -> None:
        """Do one thing after another until the daemon is gone."""
        with suppress(*GONE):
            async with Client(self._uri, timeout=20.0) as client:
                while True:
                    await self._step(client)

    async def _step(self, client: Client) -> None:
        steps: Sequence[tuple[float, Callable[[Client], Awaitable[None]]]] = (
            (5, self._submit), (1, self._cancel), (1, self._urgency), (1, self._memo),
            (1, self._pin), (1, self._unpin), (1, self._purge_id), (0.5, self._purge),
        )  # fmt: skip
        weights = [weight for weight, _ in steps]
        (chosen,) = self._dice.choices([step for _, step in steps], weights)
        try:
            await chosen(client)
        except RpcError as error:  # refused: the job has ended or gone, or a fault was injected
            self.errors[str(error.errnum)] += 1
        else:
            self.answers[chosen.__name__.strip("_")] += 1

    async def _submit(self, client: Client) -> None:
        kind = self._dice.choices(("real", "endless", "short"), (1, 1, 8))[0]
        if kind == "real":
            line = f'echo "$FLUX_JOB_ID" >> {self._ran}'
            spec = from_command(["sh", "-c", line], cwd="/", environment={"PATH": "/usr/bin:/bin"})
        else:
            spec = from_command(["simulated"])
            duration = "0" if kind == "endless" else f"{self._dice.randrange(1, 60)}ms"
            set_attribute(spec, "system.exec.test.run_duration", duration)
        urgency = self._dice.choice((0, 16, 16, 16))
        reply = await client.rpc("job-ingest.submit", {"jobspec": spec, "urgency": urgency})
        self.promises.append(Promise(reply["id"]))

    async def _cancel(self, client: Client) -> None:
        job = self._choose()
        if job.canceled is Known.NO:
            job.canceled = Known.MAYBE
        request = {"id": job.id, "type": "cancel", "severity": 0, "note": ""}
        await client.rpc("job-manager.raise", request)
        job.canceled = Known.YES

    async def _urgency(self, client: Client) -> None:
        job, urgency = self._choose(), self._dice.randrange(32)
        await client.rpc("job-manager.urgency", {"id": job.id, "urgency": urgency})
        job.urgencies.append(urgency)

    async def _memo(self, client: Client) -> None:
        job = self._choose()
        self._memos += 1
        n = self._memos
        await client.rpc("job-manager.memo", {"id": job.id, "memo": {"n": n}})
        job.memos = [n]  # a memo replaces the key, and all are in the eventlog

    async def _pin(self, client: Client) -> None:
        await self._set_pin(client, Known.YES, "job-manager.pin", {"reason": "crash"})

    async def _unpin(self, client: Client) -> None:
        await self._set_pin(client, Known.NO, "job-manager.unpin", {})

    async def _set_pin(
        self, client: Client, goal: Known, topic: str, more: Mapping[str, str]
    ) -> None:
        job = self._choose()
        before, job.pinned = job.pinned, Known.MAYBE
        try:
            await client.rpc(topic, {"id": job.id, **more})
        except RpcError as error:
            if error.errnum != errno.EIO:  # what a disk that cannot be read leaves open
                job.pinned = before
            raise
        job.pinned = goal

    async def _purge_id(self, client: Client) -> None:
        job = self._choose()
        if job.pinned is not Known.NO:
            return
        reply = await client.rpc("job-manager.purge-id", {"id": job.id, "force": True})
        if reply["count"]:
            self.batches.append(Batch(reply["seq"], 1))
            job.purged = Known.YES

    async def _purge(self, client: Client) -> None:
        request = {"num_limit": self._dice.randrange(300), "batch": self._dice.randrange(1, 40)}
        reply = await client.rpc("job-manager.purge", {**request, "force": True})
        if reply["count"]:
            self.batches.append(Batch(reply["seq"], reply["count"]))

    def _choose(self) -> Promise:
        """One of the last jobs, most of which are still active."""
        if not self.promises:
            raise RpcError(0, "no job yet")
        return self._dice.choice(self.promises[-30:])


async def look(client: Client, promises: Sequence[Promise]) -> list[str]:
    """Whatever does not hold of these jobs."""
    reply = await client.rpc("job-manager.pin-list")
    pins = {pin["id"] for pin in reply["pins"]}
    found: list[Seen] = []
    for start in range(0, len(promises), AT_ONCE):  # all at once would outlast the timeout of each
        part = promises[start : start + AT_ONCE]
        found += await asyncio.gather(*(_see(client, promise.id, pins) for promise in part))
    return [
        f"job {promise.id}: {text}"
        for promise, seen in zip(promises, found, strict=True)
        for text in broken(promise, seen)
    ]


async def _see(client: Client, id: int, pins: set[int]) -> Seen:
    for _ in range(50):
        try:
            reply = await client.rpc(
                "job-info.lookup", {"id": id, "keys": ["eventlog"], "flags": 0}
            )
        except RpcError as error:
            if "purged" in str(error):
                return Seen(None, purged=True, pinned=id in pins)
            if "unknown" in str(error) or "invalid" in str(error):
                return Seen(None, purged=False, pinned=id in pins)
            continue  # a fault was injected
        lines = reply["eventlog"].splitlines()
        return Seen([json.loads(line) for line in lines], purged=False, pinned=id in pins)
    raise RpcError(0, f"job {id} could not be looked at")


async def check_all(uri: str, owners: Sequence[Owner], promises: Sequence[Promise]) -> list[str]:
    """Whatever does not hold of these jobs, of all ids and of the purge log."""
    async with Client(uri, timeout=20.0) as client:
        texts = await look(client, promises)
        stream = client.stream("job-manager.purge-log", {"since": 0, "follow": False})
        log = [record async for record in stream]
    batches = [batch for owner in owners for batch in owner.batches]
    ids = [promise.id for owner in owners for promise in owner.promises]
    if len(ids) != len(set(ids)):
        texts.append("an id was given out twice")
    return [*texts, *broken_log(batches, log)]


async def rounds(
    daemon: Daemon, count: int, seconds: float, dice: random.Random, tell: Callable[[str], object]
) -> tuple[int, list[Owner], list[str]]:
    """Kill the daemon `count` times or for so long; rounds survived, and what does not hold."""
    ran = daemon.statedir.parent / "ran"
    owners = [Owner(daemon.uri, thrown(dice.random()), ran) for _ in range(CLIENTS)]
    deadline = time.monotonic() + seconds
    calm = daemon.statedir.parent / CALM
    calm.touch()
    await asyncio.to_thread(daemon.start)
    for n in range(count):
        if time.monotonic() > deadline:
            return n, owners, []
        marks = [len(owner.promises) for owner in owners]
        calm.unlink()
        working = [asyncio.create_task(owner.work()) for owner in owners]
        await asyncio.sleep(dice.uniform(0.02, 0.3))
        daemon.kill()
        calm.touch()
        await asyncio.gather(*working)
        await asyncio.to_thread(daemon.start)
        recent = [
            promise
            for owner, mark in zip(owners, marks, strict=True)
            for promise in owner.promises[max(mark - 30, 0) :]
        ]
        older = [promise for owner in owners for promise in owner.promises]
        chosen = {promise.id: promise for promise in dice.sample(older, min(LOOKS, len(older)))}
        chosen |= {promise.id: promise for promise in recent}
        wrong = await check_all(daemon.uri, owners, list(chosen.values()))
        runs = Counter(ran.read_text().split()) if ran.exists() else Counter[str]()
        wrong += [f"job {id} ran {times} times" for id, times in runs.items() if times > 1]
        if wrong:
            return n, owners, wrong
        if (n + 1) % 20 == 0:
            tell(f"{n + 1} rounds, {len(older)} jobs")
    every = [promise for owner in owners for promise in owner.promises]
    return count, owners, await check_all(daemon.uri, owners, every)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", "count", type=click.IntRange(min=1), default=200, show_default=True)
@click.option(
    "--seconds", type=float, default=600.0, show_default=True, help="Begin no round after these."
)
@click.option("--seed", type=int, help="Of the dice  [default: another each time]")
@click.option("--faults", is_flag=True, help="Let the store fail, stall and tear its log as well.")
def main(count: int, seconds: float, seed: int | None, *, faults: bool) -> None:
    """Kill the daemon at random moments, and see that no answer it gave is ever undone.

    Four clients submit, cancel, pin, unpin, purge, annotate and reprioritize jobs. After each kill
    -9 the next daemon is asked for all that was answered; jobs that ran for real must have run
    once. Ends with 1, leaving the directory, if anything does not hold.
    """
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="jmc-"))
    environ = {"FAULT_SEED": str(seed)} if faults else {}
    module = FAULTY if faults else "jobmgrd.cli.daemon"
    daemon = Daemon(directory, CONFIG, module, environ)
    begin = time.monotonic()
    click.echo(f"seed {seed}")
    try:
        survived, owners, wrong = asyncio.run(
            rounds(daemon, count, seconds, thrown(seed), click.echo)
        )
    finally:
        daemon.stop()
    _report(survived, owners, time.monotonic() - begin)
    if faults:
        injected = Counter((directory / INJECTED).read_text().split())
        click.echo("injected: " + ", ".join(f"{kind} {n}" for kind, n in sorted(injected.items())))
    if wrong:
        click.echo("\n".join([*wrong[:50], f"see {directory}"]))
        sys.exit(1)
    shutil.rmtree(directory)


def _report(survived: int, owners: Sequence[Owner], seconds: float) -> None:
    answers = sum((owner.answers for owner in owners), Counter[str]())
    errors = sum((owner.errors for owner in owners), Counter[str]())
    click.echo(f"{survived} rounds survived in {seconds:.0f} s")
    click.echo("answered: " + ", ".join(f"{name} {n}" for name, n in sorted(answers.items())))
    click.echo("refused, by errno: " + ", ".join(f"{e} {n}" for e, n in sorted(errors.items())))


if __name__ == "__main__":
    main(prog_name="scripts/crash")
