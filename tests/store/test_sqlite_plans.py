"""Every statement that runs while the daemon runs finds its rows by an index."""

from pathlib import Path

import pytest

from jobmgrd.store import schema, statements

JOBS = {"ACTIVE", "PINS", "ORPHANS", "COUNT_ORPHANS"}
NUMBERS = {"META", "COUNTERS", "ALL_CLASSES", "COUNTS", "CLASSES", "TOTALS", "QUEUE_COUNTS"}
"""Read whole: tables of active jobs, of pins, of orphans; of names, of classes, of days."""

TEXTS = {name: text for name, text in vars(statements).items() if name.isupper()}


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - JOBS - NUMBERS))
def test_no_statement_scans_a_table(name: str, tmp_path: Path) -> None:
    """The plan searches; it neither scans a table or index nor sorts in a temporary tree."""
    db = schema.open_writer(tmp_path / "jobs.sqlite", "os")
    text = TEXTS[name].format("name", "CROSS JOIN", "name = 1")  # of LISTED
    parameters = (1,) * (2 if "?1" in text else text.count("?"))
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
    db.close()
    own = [step for step in steps if "json_each" not in step]
    assert not [step for step in own if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
