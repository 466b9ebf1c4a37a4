"""The fuzz command: mutated messages over both transports, beside a client that must be served."""

import random
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import zmq

from jobmgrd.client import BlockingClient
from protocol import stream
from scripts.faults.crash import thrown
from scripts.faults.daemon import Daemon
from scripts.faults.mutation import Frames, Mutator, jobspec

CONFIG: Final = """
[daemon]
log-level = "info"
[resource]
cores = 64
[job-manager]
inactive-num-limit = 200
[job-manager.tombstone-limit]
num = 2000
"""

TURN: Final = 500
"""Messages between two looks of the good client."""
LIFE: Final = 40
"""Turns that a bad client lives."""
WARM: Final = 0.3
"""Share of the messages after which memory may not grow by more than this."""
GROWTH: Final = 48.0
"""MiB: journal, history and tombstones are bounded, and are full by then."""
SLOW: Final = 5.0
"""Seconds that a good client may wait for an answer."""

INTERNAL: Final = ("rpc.handler-failed", "Traceback", '"stdlib"')
"""What a log says when the daemon did not expect what it met."""


class ZmqSender:
    """A DEALER that sends what it likes, and reads what comes."""

    def __init__(self, rundir: Path) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDTIMEO, 20_000)
        self._socket.connect(f"ipc://{rundir}/rpc")

    def send(self, frames: Frames) -> None:
        """Send a message."""
        self._socket.send_multipart(frames)

    def read(self) -> int:
        """Take all that has come; how many messages."""
        count = 0
        with suppress(zmq.Again):
            while self._socket.recv_multipart(zmq.NOBLOCK):
                count += 1
        return count

    def close(self) -> None:
        """Go without a word."""
        self._socket.close()


class LocalSender:
    """A client of the local connector; comes again when it is thrown out."""

    def __init__(self, rundir: Path) -> None:
        self._path = str(rundir / "local")
        self._dice = random.SystemRandom()
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(self._path)
        self._socket.recv(1)

    def send(self, frames: Frames) -> None:
        """Send a message, one in fifty with a wrong frame around it."""
        data = bytearray(stream.encode(frames[1:] or [b""]))
        if not self._dice.randrange(50):
            data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)
        try:
            self._socket.sendall(data)
        except OSError:
            self._socket.close()
            self._connect()

    def read(self) -> int:
        """Take all that has come; how many bytes."""
        count = 0
        with suppress(OSError):
            while data := self._socket.recv(1 << 20, socket.MSG_DONTWAIT):
                count += len(data)
        return count

    def close(self) -> None:
        """Go without a word."""
        self._socket.close()


def served(client: BlockingClient) -> Iterator[str]:
    """Whatever is wrong with what a good client is answered."""
    begin = time.monotonic()
    token = secrets.token_hex(8)
    pong = client.rpc("job-manager.ping", {"token": token})
    if pong.get("token") != token:
        yield f"ping answered {pong}"
    spec = jobspec()
    spec["attributes"]["system"]["environment"] = {"TOKEN": token}
    id = client.rpc("job-ingest.submit", {"jobspec": spec})["id"]
    kept = client.rpc("job-info.lookup", {"id": id, "keys": ["jobspec"], "flags": 0})
    if token not in kept["jobspec"]:
        yield f"job {id} has the jobspec of another"
    listed = client.rpc("job-list.list-id", {"id": id, "attrs": ["name"]})["job"]
    if (listed["id"], listed["name"]) != (id, "simulated"):
        yield f"job {id} is listed as {listed}"
    if (seconds := time.monotonic() - begin) > SLOW:
        yield f"four answers took {seconds:.1f} s"


def resident(pid: int) -> float:
    """MiB of a process's memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def attack(
    daemon: Daemon, messages: int, seconds: float, dice: random.Random
) -> tuple[int, list[str]]:
    """Send so many messages, or for so long; how many were sent, and what is wrong."""
    mutator, wrong = Mutator(dice), list[str]()
    makers = (ZmqSender, ZmqSender, LocalSender)
    senders: list[ZmqSender | LocalSender] = [make(daemon.rundir) for make in makers]
    deadline, warm, sent, turn = time.monotonic() + seconds, 0.0, 0, 0
    begin = time.monotonic()
    with BlockingClient(daemon.uri, timeout=30.0) as client:
        while sent < messages and time.monotonic() < deadline and not wrong:
            sender = senders[turn % len(senders)]
            for _ in range(TURN):
                sender.send(mutator.next())
            sent += TURN
            sender.read()
            if turn % LIFE == 0:
                n = dice.randrange(len(senders))
                senders[n].close()
                senders[n] = makers[n](daemon.rundir)
            wrong += served(client) if daemon.alive else ["the daemon has ended"]
            done = max(sent / messages, (time.monotonic() - begin) / seconds)
            if done > WARM and not warm:
                warm = resident(daemon.pid)
            turn += 1
    if daemon.alive and warm and (grown := resident(daemon.pid) - warm) > GROWTH:
        wrong.append(f"memory grew by {grown:.0f} MiB from {warm:.0f}")
    for sender in senders:
        sender.close()
    lines = daemon.log.read_text(errors="replace").splitlines()
    wrong += [line[:2000] for line in lines if any(word in line for word in INTERNAL)][:10]
    return sent, wrong


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--messages", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--seconds", type=float, default=600.0, show_default=True, help="End after these.")
@click.option("--seed", type=int, help="Of the dice  [default: another each time]")
def main(messages: int, seconds: float, seed: int | None) -> None:
    """Send a daemon mutated messages, and see that a good client beside it is served.

    Good requests of every kind are changed in their values, their bytes and their frames, and sent
    to the ROUTER and to the local connector. Ends with 1, leaving the directory, if the daemon
    ends, grows, meets an error that it did not expect, or answers the good client wrongly.
    """
    seed = secrets.randbits(32) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="jmf-"))
    daemon = Daemon(directory, CONFIG)
    click.echo(f"seed {seed}")
    begin = time.monotonic()
    daemon.start()
    try:
        sent, wrong = attack(daemon, messages, seconds, thrown(seed))
        memory = resident(daemon.pid) if daemon.alive else 0.0
    finally:
        code = daemon.stop()
    if code:
        wrong.append(f"the daemon ended with {code}")
    seconds = time.monotonic() - begin
    click.echo(f"{sent} messages in {seconds:.0f} s, {memory:.0f} MiB at the end")
    if wrong:
        click.echo("\n".join([*wrong, f"see {directory}"]))
        sys.exit(1)
    shutil.rmtree(directory)


if __name__ == "__main__":
    main(prog_name="scripts/fuzz")
