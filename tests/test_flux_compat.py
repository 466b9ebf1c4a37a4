"""The table of flux commands: what is documented is what scripts/flux-compat tries."""

import os
import subprocess
from pathlib import Path

import pytest

from scripts.flux_compat import Row, markdown, rows

ROOT = Path(__file__).parents[1]


def test_the_documentation_has_every_row() -> None:
    """`scripts/flux-compat --table` prints what docs/flux.md has to have."""
    table = "\n".join(markdown())
    assert table in (ROOT / "docs" / "flux.md").read_text()


def test_rows_are_chosen_by_a_word() -> None:
    """To try one command again."""
    chosen = rows(["flux pgrep", "nosuch"])
    assert [row.command for row in chosen] == ["flux pgrep, pkill"]


@pytest.mark.parametrize(
    ("row", "code", "output", "fault"),
    [
        (Row("a", "a"), 0, "", ""),
        (Row("a", "a"), 1, "", "it exits with 1, expected 0"),
        (Row("a", "a", exit=3), 0, "", "it exits with 0, expected 3"),
        (Row("a", "a", prints=["^b$"]), 0, "a\nb\n", ""),
        (Row("a", "a", prints=["^b$"]), 0, "ab\n", "it does not print '^b$'"),
        (Row("a", "a", served=False), 1, "", ""),
        (Row("a", "a", served=False), 0, "", "it exits with 0, expected an error"),
    ],
)
def test_a_row_tells_what_is_at_fault(row: Row, code: int, output: str, fault: str) -> None:
    """An exit code or an output that is not the table's; a command refused is one not served."""
    assert row.fault(code, output) == fault


def test_it_skips_cleanly_without_flux() -> None:
    """Exit code 0, and a word on why nothing was tried."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "scripts" / "flux-compat"],
        env={"PATH": "/usr/bin:/bin"} | {k: v for k, v in os.environ.items() if k == "HOME"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "flux-compat: skipped, no flux on PATH\n")
