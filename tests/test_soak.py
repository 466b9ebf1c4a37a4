"""The soak's verdict, and a run of two seconds: the real daemon, load and samples of a long one."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from scripts.benchmark.flatness import SAMPLES_MIN, Sample, judge
from scripts.benchmark.soak import Soak, main

SAMPLE = Sample(
    seconds=0.0,
    submitted=0,
    inactive=2000,
    tombstones=4000,
    purged=0,
    purges=0,
    resident=60.0,
    p50=0.5,
    p99=2.0,
    file=3.0,
    wal=16.0,
)


def not_flat(samples: Sequence[Sample]) -> list[str]:
    """The names of what grew."""
    return [verdict.name for verdict in judge(samples) if not verdict.flat]


def test_what_stays_is_flat_also_when_a_few_samples_stand_out() -> None:
    """A machine that was busy for a moment is no leak."""
    samples = [SAMPLE] * 30
    samples[25:28] = [replace(SAMPLE, resident=500.0, p50=50.0, p99=500.0, wal=99.0)] * 3
    assert not_flat(samples) == []


@pytest.mark.parametrize(
    ("field", "name", "growth"),
    [
        ("resident", "memory without purge log", 0.2),
        ("p50", "stats-get p50", 0.02),
        ("p99", "stats-get p99", 0.2),
        ("file", "file without purge log", 0.04),
        ("wal", "write-ahead log", 0.2),
    ],
)
def test_what_grows_slowly_and_steadily_is_found(field: str, name: str, growth: float) -> None:
    """Each quantity by itself."""
    start = getattr(SAMPLE, field)
    samples = [replace(SAMPLE, **{field: start + n * growth}) for n in range(30)]
    assert not_flat(samples) == [name]
    assert not_flat(samples[::-1]) == []


def test_the_purge_log_may_grow_until_it_is_full() -> None:
    """It keeps 100,000 batches on purpose; only what grows beside it counts."""
    samples = [
        replace(SAMPLE, purged=n * 10_000, purges=n * 100, file=3.0 + n * 0.09) for n in range(30)
    ]
    assert not_flat(samples) == []
    full = [replace(s, purged=s.purged * 1000, purges=s.purges * 1000) for s in samples]
    assert not_flat(full[15:]) == ["file without purge log"]


def test_too_few_samples_are_no_verdict() -> None:
    """A third of less than three is an accident."""
    with pytest.raises(ValueError, match="8 samples"):
        judge([SAMPLE] * (SAMPLES_MIN - 1))


def test_a_short_soak_loads_samples_and_tells(tmp_path: Path) -> None:
    """Jobs come and are purged meanwhile; all samples are kept; the table names each quantity."""
    path = tmp_path / "soak.json"
    args = ["--minutes=0.03", "--warm-up=0", "--interval=0.15", "--rate=2500", "--output", path]
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code in {0, 1}, result.output  # two seconds are too short to be flat
    soak = msgspec.json.decode(path.read_bytes(), type=Soak)
    assert result.exit_code == (not all(verdict.flat for verdict in soak.verdicts))
    assert all(verdict.name in result.output for verdict in soak.verdicts)
    first, last = soak.samples[0], soak.samples[-1]
    assert last.submitted > first.submitted
    assert last.purged > 0
    assert last.resident > 10
    assert last.p99 >= last.p50 > 0


def test_a_soak_too_short_for_a_verdict_is_refused() -> None:
    """Before an hour is spent on it."""
    result = CliRunner().invoke(main, ["--minutes=0.1", "--interval=5"])
    assert result.exit_code == 2
    assert "9 samples are needed" in result.output
