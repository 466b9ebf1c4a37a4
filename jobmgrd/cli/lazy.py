"""A command group that imports a command when it is called, so that --help is quick.

Importing ZeroMQ, msgspec and asyncio takes longer than all that --help has to do.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from jobmgrd.cli.connection import uri_option


class Entry(NamedTuple):
    """A row of a group's table: where the command is, and what `--help` of the group says of it."""

    target: str  # module.attribute below jobmgrd.cli
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are rows of a table. Each of them takes --uri."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - handed through to click
        table: Mapping[str, Entry],
        **kwargs: Any,  # noqa: ANN401 - handed through to click
    ) -> None:
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the table's order: what is used most comes first."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if the table has none of that name."""
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name].target.rpartition(".")
        command: click.Command = getattr(import_module(f"jobmgrd.cli.{module}"), attribute)
        if not any(parameter.name == "uri" for parameter in command.params):
            command.params.append(uri_option(hidden=True))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing what it speaks of."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._table.items()])


def examples(*lines: str) -> str:
    """The end of a command's help; each line is an example and what it does."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
