"""The load script, small: a crowd, a storm and a purge at once; nothing promised is lost."""

from pathlib import Path

import msgspec
from click.testing import CliRunner

from scripts.benchmark.load import Load, Sizes, main

SIZES = Sizes(clients=60, subscribers=20, followers=6, submits=400, history=3000, seconds=60.0)


def test_under_load_nothing_is_lost_that_was_promised(tmp_path: Path) -> None:
    """Answered jobs are kept or in the purge log; followers have every record; losses are told."""
    path = tmp_path / "load.json"
    sizes = [f"--{name}={value}" for name, value in msgspec.structs.asdict(SIZES).items()]
    result = CliRunner().invoke(main, [*sizes, "--output", str(path)])
    assert result.exit_code == 0, result.output
    load = msgspec.json.decode(path.read_bytes(), type=Load)
    assert load.sizes == SIZES
    assert not any(load.lost.values())
    assert load.storm["answered"] == SIZES.submits
    assert load.purge["purged"] >= SIZES.history
    heard = load.listeners["heard"] + load.listeners["missed"]
    assert heard == (SIZES.subscribers - 1) * load.listeners["last"]
    assert not any(load.refused.values())
    assert all(said["p99"] >= said["p50"] > 0 for said in load.latency)
