"""Numbers of bytes as people write them: "512k", "4M", "1.5G", in powers of 1024."""

import re
from fractions import Fraction
from typing import Final

from protocol.errors import FormatError

_SIZE: Final = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)([kKMGT]?)")
_POWERS: Final = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def parse(text: str) -> int:
    """Bytes of a size (flux-core libutil/parse_size.c).

    Raises:
        FormatError: the text is no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise FormatError(f"invalid size {text!r}")
    return int(Fraction(found[1]) * 1024 ** _POWERS[found[2]])
