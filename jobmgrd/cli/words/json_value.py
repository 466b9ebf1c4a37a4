"""KEY=VAL on the command line: VAL is JSON if it reads as JSON, and text if it does not."""

import json
from typing import Any

import click


class AssignmentType(click.ParamType[tuple[str, Any]]):
    """KEY=VAL; or, where a key alone has a meaning, KEY, which is KEY=1."""

    name = "KEY=VAL"

    def __init__(self, *, key_alone: bool = False) -> None:
        self._key_alone = key_alone

    def convert(
        self,
        value: str | tuple[str, Any],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, Any]:
        """The key and its value."""
        if isinstance(value, tuple):
            return value
        key, assigned, text = value.partition("=")
        if not key or not (assigned or self._key_alone):
            self.fail(f"expected KEY=VAL, got {value!r}", param, ctx)
        return key, _read(text) if assigned else 1


class ObjectType(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "JSON"

    def convert(
        self,
        value: str | dict[str, Any],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, Any]:
        """The object."""
        if isinstance(value, dict):
            return value
        found = _read(value)
        if not isinstance(found, dict):
            self.fail(f"expected a JSON object, got {value!r}", param, ctx)
        return found


def _read(text: str) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return json.loads(text)
    except ValueError:
        return text
