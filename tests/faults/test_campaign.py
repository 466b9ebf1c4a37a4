"""scripts/crash in short: it finds nothing where nothing is, and a daemon that forgets."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from scripts.faults import crash
from scripts.faults.crash import CONFIG, FAULTY, Campaign, thrown
from scripts.faults.daemon import Daemon
from scripts.faults.steward import KEPT

ROUNDS = 20


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where the daemon lives: a socket's path is short."""
    with TemporaryDirectory(prefix="jmc-") as path:
        yield Path(path)


@pytest.mark.parametrize(
    ("rounds", "options"), [(2, []), (4, ["--faults"])], ids=["killed", "with faults"]
)
def test_a_daemon_that_is_killed_keeps_every_answer(rounds: int, options: list[str]) -> None:
    """Of every kind; with a store that fails, stalls and tears as well."""
    argv = [f"--rounds={rounds}", "--seconds=30", "--seed=6", *options]
    result = CliRunner().invoke(crash.main, argv)
    assert result.exit_code == 0, result.output
    lines = dict(line.split(": ", 1) for line in result.output.splitlines() if ": " in line)
    assert f"{rounds} rounds survived" in result.output
    assert "submit" in lines["answered"]
    checked = lines["answers looked at, again and again"]
    for kind in ("submit", "pin or unpin", "queue started", "node drained", "jobs kept"):
        assert kind in checked
    assert ("injected" in lines) == bool(options)


@pytest.mark.parametrize("kind", ["active", "pins", "meta"])
async def test_a_store_that_forgets_is_found(directory: Path, kind: str) -> None:
    """Jobs and what was done to them, pins, and what was switched."""
    daemon = Daemon(directory, CONFIG.format(kept=KEPT), FAULTY, {"LIES": kind})
    campaign = Campaign(daemon, thrown(1))
    try:
        await campaign.run(ROUNDS, 60.0, lambda _line: None)
    finally:
        daemon.kill()
    assert campaign.wrong
    assert campaign.survived < ROUNDS
