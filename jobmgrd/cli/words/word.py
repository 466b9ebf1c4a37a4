"""A kind of word on the command line: how it is called in help, and how it is read."""

from abc import abstractmethod
from typing import TypeVar

import click

from protocol.errors import FormatError

T = TypeVar("T")


class Word(click.ParamType[T]):
    """To be given a `name`, and a `read`. What is no text is a default, or was read before."""

    def convert(
        self, value: str | T, param: click.Parameter | None, ctx: click.Context | None
    ) -> T:
        """What the word says; click calls this."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except FormatError as error:
            self.fail(str(error), param, ctx)

    @abstractmethod
    def read(self, text: str) -> T:
        """What a text says.

        Raises:
            FormatError: it does not read as one of these; the text is for the person who typed it.
        """
