"""The crash command: rounds of kill -9 under clients that check every answer they were given."""

import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from jobmgrd.client import BlockingClient
from scripts.faults.daemon import Daemon, DaemonFailedError
from scripts.faults.ledger import Promise
from scripts.faults.look import Look, not_archived, unsound
from scripts.faults.owner import RECENT, Asking, Owner
from scripts.faults.steward import KEPT, Steward

CONFIG: Final = """
[daemon]
log-level = "warning"
[[resource.config]]
hosts = "n[0-1]"
cores = "0-7"
[heartbeat]
period = "50ms"
[job-manager]
inactive-num-limit = {kept}
[job-manager.archive]
[exec]
kill-timeout = "100ms"
[policy.jobspec.defaults.system]
queue = "main"
[queues.main]
[queues.spare]
"""

FAULTY: Final = "tests.e2e.daemon_under_test"
"""A daemon whose store fails by the dice of FAULT_SEED, but for while CALM is there."""
CALM: Final = "calm"
INJECTED: Final = "faults"

CLIENTS: Final = 4
LOOKS: Final = 150
"""Older jobs that are looked at again after each round."""
TELL: Final = 20
"""Rounds between two lines that say how far it is."""


def thrown(seed: float) -> random.Random:
    """Dice that can be thrown again."""
    return random.Random(seed)  # noqa: S311 - nothing here is secret


class Campaign:
    """One daemon, killed again and again; `wrong` is whatever did not hold."""

    def __init__(self, daemon: Daemon, dice: random.Random) -> None:
        self.daemon = daemon
        self.survived = 0
        self.died: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._dice = dice
        place = daemon.statedir.parent
        self._calm, ran = place / CALM, place / "ran"
        self.owners = [
            Owner(daemon.uri, thrown(dice.random()), ran, f"{n}") for n in range(CLIENTS)
        ]
        self._steward = Steward(
            daemon.uri,
            thrown(dice.random()),
            lambda kept: daemon.configure(CONFIG.format(kept=kept)),
        )
        self.clients: Sequence[Asking] = (*self.owners, self._steward)
        self.look = Look(daemon.uri, ran, self.owners, self._steward)

    @property
    def promises(self) -> list[Promise]:
        """All jobs that were answered."""
        return [promise for owner in self.owners for promise in owner.promises]

    async def run(self, count: int, seconds: float, tell: Callable[[str], object]) -> None:
        """Kill the daemon `count` times, or for so long; then look at all, and stop it.

        Ends early once something does not hold, and leaves the files as they are then.
        """
        deadline = time.monotonic() + seconds
        try:
            self._calm.touch()
            await asyncio.to_thread(self._begin)
            while self.survived < count and time.monotonic() < deadline and not self.wrong:
                await self._round()
                if self.survived and self.survived % TELL == 0:
                    tell(f"{self.survived} rounds, {len(self.promises)} jobs")
            if not self.wrong:
                self.wrong += await self.look.at(self.promises)
            if not self.wrong:
                await asyncio.to_thread(self._end)
        except DaemonFailedError as error:
            self.wrong.append(str(error))

    def _begin(self) -> None:
        self.daemon.start()
        with BlockingClient(self.daemon.uri) as client:
            client.rpc("job-manager.queue-start", {"start": True, "all": True})

    async def _round(self) -> None:
        marks = [max(len(owner.promises) - RECENT, 0) for owner in self.owners]
        self._calm.unlink()
        working = [asyncio.create_task(client.work()) for client in self.clients]
        await asyncio.sleep(self._dice.uniform(0.02, 0.5))
        self._kill()
        self._calm.touch()
        await asyncio.gather(*working)
        await asyncio.to_thread(self.daemon.start)
        older = self.promises
        chosen = {p.id: p for p in self._dice.sample(older, min(LOOKS, len(older)))}
        for owner, mark in zip(self.owners, marks, strict=True):
            chosen |= {p.id: p for p in owner.promises[mark:]}
        self.wrong += await self.look.at(list(chosen.values()))
        for client in self.clients:
            self.wrong += client.wrong
        self.survived += not self.wrong

    def _kill(self) -> None:
        self.died["killed" if self.daemon.alive else "torn"] += 1
        code = self.daemon.kill()
        if code != -signal.SIGKILL:
            self.wrong.append(f"the daemon ended with {code}: {self.daemon.last_words()}")

    def _end(self) -> None:
        """Stop the daemon, and look at its files."""
        if code := self.daemon.stop():
            self.wrong.append(f"the daemon was stopped and ended with {code}")
        self.wrong += unsound(self.daemon.statedir)
        purged = {promise.id for promise in self.promises if promise.purged}
        self.wrong += not_archived(self.daemon.statedir, purged)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", "count", type=click.IntRange(min=1), default=200, show_default=True)
@click.option(
    "--seconds", type=float, default=600.0, show_default=True, help="Begin no round after these."
)
@click.option("--seed", type=int, help="Of the dice  [default: another each time]")
@click.option("--faults", is_flag=True, help="Let the store fail, stall and tear its log as well.")
def main(count: int, seconds: float, seed: int | None, *, faults: bool) -> None:
    """Kill the daemon at random moments, and see that no answer it gave is ever undone.

    Four clients submit, cancel, pin, unpin, purge, update, annotate and reprioritize jobs; a fifth
    stops and disables a queue, drains a node and changes the configuration. After each kill -9 the
    next daemon is asked for what was answered, in the end for all of it; jobs that ran for real
    must have run once. Then it is stopped, and its files are checked. Ends with 1, leaving the
    directory, if anything does not hold.
    """
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="jmc-"))
    environ = {"FAULT_SEED": str(seed)} if faults else {}
    module = FAULTY if faults else "jobmgrd.cli.daemon"
    daemon = Daemon(directory, CONFIG.format(kept=KEPT), module, environ)
    campaign = Campaign(daemon, thrown(seed))
    begin = time.monotonic()
    click.echo(f"seed {seed}")
    try:
        asyncio.run(campaign.run(count, seconds, click.echo))
    finally:
        daemon.kill()
    click.echo("\n".join(_summary(campaign, time.monotonic() - begin)))
    if faults:
        click.echo(_line("injected", Counter((directory / INJECTED).read_text().split())))
    if campaign.wrong:
        click.echo("\n".join([*campaign.wrong[:50], f"see {directory}"]))
        sys.exit(1)
    shutil.rmtree(directory)


def _summary(campaign: Campaign, seconds: float) -> Sequence[str]:
    answers = sum((client.answers for client in campaign.clients), Counter[str]())
    errors = sum((client.errors for client in campaign.clients), Counter[str]())
    return [
        f"{campaign.survived} rounds survived in {seconds:.0f} s",
        _line("the daemon died", campaign.died),
        _line("answered", answers),
        _line("refused", errors),
        _line("answers looked at, again and again", campaign.look.checked),
    ]


def _line(title: str, counts: Mapping[str, int]) -> str:
    return f"{title}: " + ", ".join(f"{name} {n}" for name, n in sorted(counts.items()) if n)


if __name__ == "__main__":
    main(prog_name="scripts/crash")
