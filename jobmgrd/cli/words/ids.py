"""Job ids on the command line: every spelling of RFC 19 is read, F58 is written."""

import sys
from typing import Final

import click

from protocol import jobid
from protocol.errors import FormatError


class JobIdType(click.ParamType[int]):
    """A job id in any spelling: ƒ58, decimal, hexadecimal, dothex and their kin."""

    name = "JOBID"

    def convert(
        self,
        value: int | str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """The id as a number."""
        if isinstance(value, int):
            return value
        try:
            return jobid.parse(value)
        except FormatError as error:
            self.fail(str(error), param, ctx)


JOBID: Final = JobIdType()


def spelled(id_: int) -> str:
    """An id in F58; with a plain f where the output has no ƒ, as Flux does it."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return jobid.encode(id_, "f58" if utf8 else "f58plain")
