"""The flamegraph command: a daemon sampled while batches of jobs run, its shares by part."""

import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.jobs import BATCH, simulated
from scripts.benchmark.parts.batch import run_batch
from scripts.benchmark.run import workplace

RATE: Final = 400
"""Samples a second."""

TITLE: Final = "jobmgrd while jobs pass through it"

WAITING: Final = ("selectors.py", "Writer._take", "_worker (concurrent")
"""Frames in which a thread does nothing but wait."""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "SQLite: statements, commit and sync": ("store/transaction.py", "store/writer.py"),
    "store: checkpoints, space": ("store/upkeep.py",),
    "store: rows made of jobs": ("store/rows.py", "store/listed.py"),
    "journal and events to watchers": ("services/journal", "services/eventlog_watch", "publisher"),
    "engine: events applied, commits": (
        "jobs/",
        "commits.py",
        "engine.py",
        "allocator.py",
        "execution.py",
        "protocol/eventlog.py",
    ),
    "requests: jobspec checked, ids": ("services/job_ingest.py", "protocol/jobspec"),
    "messages: decoded, dispatched, answered": ("router.py", "call.py", "transport/", "multipart"),
    "execution (simulated)": ("exec/",),
}
"""What a sample counts as: the first of these whose file is on its stack, from the inside."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--batches", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-results/flamegraph.svg"),
    show_default=True,
)
def main(batches: int, output: Path) -> None:
    """Run batches of simulated jobs, each job watched from another process; sample the daemon."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with workplace(None) as place, tempfile.TemporaryDirectory() as directory:
        raw = Path(directory, "stacks")
        state = place / "state"
        state.mkdir(mode=0o700)
        with Daemon(state) as daemon:
            run_batch(daemon, BATCH, simulated())  # what is imported and compiled once
            for path, form in ((raw, "raw"), (output, "flamegraph")):
                with _sampled(daemon.pid, path, form):
                    for _ in range(batches):
                        run_batch(daemon, BATCH, simulated())
        _rename(output)
        Console().print(_table(shares(raw.read_text().splitlines())))
    click.echo(f"wrote {output}")


@contextmanager
def _sampled(pid: int, path: Path, form: str) -> Iterator[None]:
    """Have py-spy sample a process within `with`."""
    argv = [str(Path(sys.executable).with_name("py-spy")), "record", "--nonblocking"]
    argv += ["--threads", "--rate", str(RATE), "--duration", "3600"]
    argv += ["--format", form, "--output", str(path), "--pid", str(pid)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sampler:
        try:
            yield
        finally:
            sampler.send_signal(signal.SIGINT)  # what was sampled until now is written


def _rename(picture: Path) -> None:
    """Have the picture say what it shows, instead of the command that drew it."""
    title = re.compile(r'(<text id="title"[^>]*>)[^<]*')
    text = title.sub(rf"\g<1>{TITLE}", picture.read_text())
    picture.write_text(text)


def shares(stacks: Iterable[str]) -> Mapping[str, float]:
    """The part of all busy samples that each of PARTS has; stacks are "frame;frame;... count"."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, samples = line.rpartition(" ")
        if not any(waiting in stack.rpartition(";")[2] for waiting in WAITING):
            counts[_part(stack.split(";")[::-1])] += int(samples)
    return {part: n / counts.total() for part, n in counts.most_common()}


def _part(frames: Iterable[str]) -> str:
    for frame in frames:
        for part, files in PARTS.items():
            if any(file in frame for file in files):
                return part
    return "event loop and the rest"


def _table(found: Mapping[str, float]) -> Table:
    table = Table("part of the daemon", "share of its busy time", box=None)
    for part, share in found.items():
        table.add_row(part, f"{share:.0%}")
    return table


if __name__ == "__main__":
    main(prog_name="scripts/flamegraph")
