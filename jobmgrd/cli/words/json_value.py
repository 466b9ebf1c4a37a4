"""KEY=VAL on the command line: VAL is JSON if it reads as JSON, and text if it does not."""

import json
from typing import Any

from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError


class AssignmentType(Word[tuple[str, Any]]):
    """KEY=VAL; or, where a key alone has a meaning, KEY, which is KEY=1."""

    name = "KEY=VAL"

    def __init__(self, *, key_alone: bool = False) -> None:
        self._key_alone = key_alone

    def read(self, text: str) -> tuple[str, Any]:
        """The key and its value."""
        key, assigned, value = text.partition("=")
        if not key or not (assigned or self._key_alone):
            raise FormatError(f"expected KEY=VAL, got {text!r}")
        return key, _read(value) if assigned else 1


class ObjectType(Word[dict[str, Any]]):
    """A JSON object."""

    name = "JSON"

    def read(self, text: str) -> dict[str, Any]:
        """The object."""
        found = _read(text)
        if not isinstance(found, dict):
            raise FormatError(f"expected a JSON object, got {text!r}")
        return found


def _read(text: str) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return json.loads(text)
    except ValueError:
        return text
