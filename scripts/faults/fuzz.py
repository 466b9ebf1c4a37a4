"""The fuzz command: mutated messages over both transports, beside a client that must be served."""

import itertools
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from jobmgrd.client import BlockingClient, RpcError
from scripts.faults.crash import thrown
from scripts.faults.daemon import Daemon, DaemonFailedError
from scripts.faults.mutation import Mutator
from scripts.faults.requests import requests
from scripts.faults.senders import LocalSender, Sender, SettleError, Subscriber, ZmqSender
from scripts.faults.settings import BASE, file_of, toml
from scripts.faults.witness import Witness

TURN: Final = 500
"""Messages between two looks of the good client."""
SUBSCRIPTIONS: Final = 10
"""And what a subscriber sends meanwhile."""
MAKERS: Final = {"zmq": ZmqSender, "local": LocalSender, "events": Subscriber}
WAYS: Final = ("zmq", "local", "zmq", "events")
"""Of the bad clients; all but the last take turns."""
LIFE: Final = 40
"""Turns that a bad client lives."""
WARM: Final = 0.6
"""Share of the messages after which memory may not grow by more than this."""
GROWTH: Final = 32.0
"""MiB: the 100,000 events that the journal keeps are there after a million and a half; from there
on, 14 MiB for a million were seen, of SQLite's caches."""

INTERNAL: Final = ("rpc.handler-failed", "listener-failed", "Traceback", '"stdlib"')
"""What a log says when the daemon did not expect what it met."""


class Attack:
    """Bad clients in turn, and the good one."""

    def __init__(self, daemon: Daemon, client: BlockingClient, dice: random.Random) -> None:
        self.sent: Counter[str] = Counter()
        self.memory: list[float] = [resident(daemon.pid)]
        self.witness = Witness(client, daemon.config)
        self._daemon = daemon
        self._dice = dice
        self._mutator = Mutator(dice)
        self._senders: list[Sender] = [MAKERS[way](daemon.rundir, dice) for way in WAYS]

    def run(self, messages: int, seconds: float) -> list[str]:
        """Send so many messages, or for so long; what is wrong."""
        wrong: list[str] = []
        try:
            wrong = self._run(messages, seconds)
        except (RpcError, SettleError, OSError, DaemonFailedError) as error:
            wrong = [f"{type(error).__name__}: {error}"]
        return wrong if self._daemon.alive else [*wrong, "the daemon has ended"]

    def _run(self, messages: int, seconds: float) -> list[str]:
        begin, share = time.monotonic(), 0.0
        victims = self.witness.begin()
        for turn in itertools.count():
            if share >= 1:
                break
            if turn % LIFE == LIFE - 1:
                n = self._dice.randrange(len(self._senders))
                self._senders[n].close()
                self._senders[n] = MAKERS[WAYS[n]](self._daemon.rundir, self._dice)
            self._mutator.requests = requests(self._dice, victims)
            self._daemon.config.write_bytes(file_of(self._dice))
            if wrong := list(self._turn(turn % (len(WAYS) - 1))):
                return wrong
            victims = self.witness.victims()
            share = max(sum(self.sent.values()) / messages, (time.monotonic() - begin) / seconds)
            if share > WARM and len(self.memory) == 1:
                self.memory.append(resident(self._daemon.pid))
        self.memory.append(resident(self._daemon.pid))
        grown = self.memory[-1] - self.memory[-2]
        return [f"memory grew by {grown:.0f} MiB"] if grown > GROWTH else self._restarted(victims)

    def _restarted(self, victims: Sequence[int]) -> list[str]:
        """Kill the daemon in the midst of it: the next one has to find its way about."""
        self._mutator.requests = requests(self._dice, victims)
        for _ in range(TURN):
            self._senders[0].send(self._mutator.next())
        self._daemon.kill()
        self._daemon.config.write_text(toml(BASE))
        self._daemon.start()
        return list(self.witness.after_restart())

    def _turn(self, n: int) -> Iterator[str]:
        sender, subscriber = self._senders[n], self._senders[-1]
        for _ in range(SUBSCRIPTIONS):
            subscriber.send(self._mutator.next())
        for _ in range(TURN):
            sender.send(self._mutator.next())
        self.sent.update({WAYS[n]: TURN, WAYS[-1]: SUBSCRIPTIONS})
        yield from self.witness.under_attack()
        sender.settle()
        subscriber.settle()
        yield from self.witness.at_rest()

    def close(self) -> None:
        """Go without a word."""
        for sender in self._senders:
            sender.close()


def resident(pid: int) -> float:
    """MiB of a process's memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def unexpected(log: Path) -> list[str]:
    """The lines of a log that speak of what the daemon did not expect."""
    with log.open(errors="replace") as lines:
        return [line[:2000] for line in lines if any(word in line for word in INTERNAL)][:10]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--messages", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--seconds", type=float, default=1200.0, show_default=True, help="End after these.")
@click.option("--seed", type=int, help="Of the dice  [default: another each time]")
def main(messages: int, seconds: float, seed: int | None) -> None:
    """Send a daemon mutated messages, and see that a good client beside it is served.

    Good requests of every kind are changed in their values, their bytes and their frames, and sent
    to the ROUTER and to the local connector; its configuration file is good, half good or bad.
    After each 500 the configuration has to be whole, and is put back, and a job has to run; at the
    end the daemon is killed in the midst of it, and the next one has to find its way. Ends with 1,
    leaving the directory, if the daemon ends, grows, meets an error that it did not expect, or
    answers the good client wrongly or late.
    """
    seed = secrets.randbits(32) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="jmf-"))
    daemon = Daemon(directory, toml(BASE))
    click.echo(f"seed {seed}")
    daemon.start()
    begin = time.monotonic()
    try:
        with BlockingClient(daemon.uri, timeout=30.0) as client:
            attack = Attack(daemon, client, thrown(seed))
            wrong = attack.run(messages, seconds)
            attack.close()
        seconds = time.monotonic() - begin
    finally:
        code = daemon.stop()
    if code:
        wrong.append(f"the daemon ended with {code}")
    wrong += unexpected(daemon.log)
    _report(attack, messages, seconds)
    if wrong:
        click.echo("\n".join([*wrong, f"see {directory}"]))
        sys.exit(1)
    shutil.rmtree(directory)


def _report(attack: Attack, messages: int, seconds: float) -> None:
    sent = sum(attack.sent.values())
    ways = ", ".join(f"{n} over {way}" for way, n in sorted(attack.sent.items()))
    short = f" of {messages}" if sent < messages else ""
    click.echo(f"{sent}{short} messages in {seconds:.0f} s, {sent / seconds:.0f}/s: {ways}")
    click.echo(attack.witness.report())
    places = ("at the start", "after 60 %", "at the end")
    seen = (f"{mib:.0f} MiB {place}" for mib, place in zip(attack.memory, places, strict=False))
    click.echo("memory: " + ", ".join(seen))


if __name__ == "__main__":
    main(prog_name="scripts/fuzz")
