"""Small rounds of scripts/fuzz, with dice that are thrown again."""

import pytest
from click.testing import CliRunner

from scripts.faults import fuzz


@pytest.mark.timeout(120)
def test_a_daemon_that_is_lied_to_serves_others() -> None:
    """Some thousand mutated messages over both transports: no end, no error of its own."""
    result = CliRunner().invoke(fuzz.main, ["--messages=2000", "--seconds=30", "--seed=3"])
    assert result.exit_code == 0, result.output
    assert "messages in" in result.output
