"""The epoch of a store: a name for its history, which no other history has.

Numbers of purges go on from what a store remembers. One that is restored from a backup remembers
less, and gives numbers out again, for other purges: whoever has seen the first ones cannot tell by
the number. So a history has a random name, a value in `meta`, and copies of a store have none: who
goes on with a copy begins a history of its own.
"""

import secrets
from typing import Final

EPOCH: Final = "epoch"
"""The name in `meta`; an empty value is none."""


def new_epoch() -> str:
    """A name that was never given before."""
    return secrets.token_hex(8)
