"""All parts of the suite, in the order in which they are measured and shown.

Their bounds add up to half an hour, those of a quick run to two minutes.
"""

from collections.abc import Sequence
from typing import Final

from scripts.benchmark.parts import (
    curve,
    events,
    follower,
    idle,
    life,
    listing,
    memory,
    neighbours,
    processes,
    purge,
    rpc,
    throughput,
)
from scripts.benchmark.run import Part

PARTS: Final[Sequence[Part]] = (
    throughput.PART,
    curve.PART,
    rpc.PART,
    purge.PART,
    events.PART,
    listing.PART,
    follower.PART,
    processes.PART,
    life.PART,
    memory.PART,
    idle.PART,
    neighbours.PART,
)
