"""A small round of scripts/fuzz, with dice that are thrown again, and what it is made of."""

import pytest
import tomli
from click.testing import CliRunner

from jobmgrd.config import ConfigError, check
from scripts.faults import fuzz
from scripts.faults.crash import thrown
from scripts.faults.requests import requests
from scripts.faults.settings import BASE, toml, variant
from scripts.topics import EVERYWHERE, assembled


@pytest.mark.timeout(120)
def test_a_daemon_that_is_lied_to_serves_others() -> None:
    """Some thousand mutated messages over both transports: no end, no error of its own."""
    result = CliRunner().invoke(fuzz.main, ["--messages=3000", "--seconds=30", "--seed=3"])
    assert result.exit_code == 0, result.output
    assert "1000 over local, " in result.output
    assert "answers under attack, p50" in result.output


async def test_every_topic_is_fuzzed() -> None:
    """A new one needs a good request in scripts/faults/requests.py, to be mutated."""
    asked = {topic for seed in range(40) for topic, _ in requests(thrown(seed), [1, 2])}
    async with assembled() as parts:
        missing = {topic for topic in parts.router.table if topic not in asked}
    assert {topic for topic in missing if not topic.endswith(EVERYWHERE)} == set()


@pytest.mark.parametrize("seed", range(3))
def test_configurations_to_fuzz_with_are_good_half_good_and_bad(seed: int) -> None:
    """The base is good, and is read as it is written; of the others some are refused."""
    assert tomli.loads(toml(BASE)) == BASE
    assert check(BASE, "base").raw == BASE
    refused = 0
    for n in range(40):
        try:
            check(variant(thrown(seed * 40 + n)), "variant")
        except ConfigError:
            refused += 1
    assert 5 < refused < 30
