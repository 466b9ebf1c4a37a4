"""Job ids on the command line: every spelling of RFC 19 is read, F58 is written."""

import sys
from typing import Final

from jobmgrd.cli.words.word import Word
from protocol import jobid


class JobIdType(Word[int]):
    """A job id in any spelling: ƒ58, decimal, hexadecimal, dothex and their kin."""

    name = "JOBID"

    def read(self, text: str) -> int:
        """The id as a number."""
        return jobid.parse(text)


JOBID: Final = JobIdType()


def spelled(id_: int) -> str:
    """An id in F58; with a plain f where the output has no ƒ, as Flux does it."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return jobid.encode(id_, "f58" if utf8 else "f58plain")
