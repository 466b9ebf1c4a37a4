"""The command that scripts/atheris runs; atheris itself is an extra, and not in the tests."""

from click.testing import CliRunner

from scripts.faults import guided
from tests.fuzz.targets import TARGETS


def test_the_targets_are_listed_with_their_laws() -> None:
    """A line each."""
    result = CliRunner().invoke(guided.main, ["--list"])
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in result.output.splitlines()] == list(TARGETS)
    assert "jobid: RFC 19: 64 bits, in any spelling the same." in result.output


def test_a_target_that_there_is_not_is_refused_by_name() -> None:
    """And those that there are are named."""
    result = CliRunner().invoke(guided.main, ["jobids"])
    assert result.exit_code == 2
    assert "'jobids' is not one of 'message', " in result.output
