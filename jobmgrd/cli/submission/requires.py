"""The option --requires: which nodes a job may use, in a short syntax (RFC 35)."""

from typing import Any

import click

from jobmgrd.cli.words.word import Word
from protocol import constraint_query


class ConstraintType(Word[dict[str, Any]]):
    """A constraint query, read as a constraint (RFC 31)."""

    name = "CONSTRAINT"

    def read(self, text: str) -> dict[str, Any]:
        """The constraint."""
        return constraint_query.parse(text)


REQUIRES_OPTION = click.option(
    "--requires",
    type=ConstraintType(),
    multiple=True,
    help="Run on nodes like these only: properties such as ssd, -slow or 'a&(b|c)', hosts:test[0-3]"
    " or ranks:0-3. Repeatable.",
)


def constraints(given: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """All of them together; {} without any."""
    if len(given) > 1:
        return {"and": list(given)}
    return given[0] if given else {}
