"""Policy: what jobs get that do not ask, and how much one may ask for (RFC 33).

The words of a refusal are those of flux-core's limit plugins (job-manager/plugins/limit-*.c).
"""

from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeVar

from msgspec import Struct, structs

from protocol import duration as fsd
from protocol.errors import FormatError
from protocol.jobspec import Jobspec

T = TypeVar("T", bound=Struct)

UNLIMITED: Final = -1
"""A job size that defeats a more general limit."""


class Size(Struct, frozen=True):
    """Limits of a job's size; None: a more general one holds."""

    nnodes: int | None = None
    ncores: int | None = None
    ngpus: int | None = None


class Policy(Struct, frozen=True):
    """Defaults and limits. Durations are seconds; None: a more general one holds.

    A limit of 0.0 is none; so is a default that is 0.0 or infinite.
    """

    default_queue: str | None = None
    default_duration: float | None = None
    duration: float | None = None
    max: Size = Size()
    min: Size = Size()
    users: frozenset[int] | None = None  # who may submit; None with `groups` None: everybody
    groups: frozenset[int] | None = None

    def over(self, general: "Policy") -> "Policy":
        """This one where it says something, and a more general one where it does not."""
        both = _over(self, general)
        return structs.replace(
            both, max=_over(self.max, general.max), min=_over(self.min, general.min)
        )

    def admits(self, userid: int, groups_of: Callable[[int], Collection[int]]) -> bool:
        """Whether a user, or one of a user's groups, may submit."""
        if self.users is None and self.groups is None:
            return True
        if self.users is not None and userid in self.users:
            return True
        return self.groups is not None and not self.groups.isdisjoint(groups_of(userid))

    def check(self, spec: Jobspec) -> None:
        """Refuse a job that asks for too much, or too little.

        Raises:
            FormatError: which limit it is against, what was asked for, and the queue if it has one.
        """
        where = f" for queue {spec.queue}" if spec.queue else ""
        if self.duration and not 0 < spec.duration <= self.duration:
            asked = fsd.format(spec.duration) if spec.duration else "unlimited"
            limit = fsd.format(self.duration)
            text = f"requested duration ({asked}) exceeds policy limit of {limit}{where}"
            raise FormatError(text)
        asked_for = Size(spec.nodes, spec.ncores, spec.ngpus)
        for name, count, most in _compared(asked_for, self.max):
            if count > most:
                text = f"requested {name} ({count}) exceeds policy limit of {most}{where}"
                raise FormatError(text)
        for name, count, least in _compared(asked_for, self.min):
            if count < least:
                text = f"requested {name} ({count}) is under policy limit of {least}{where}"
                raise FormatError(text)


def _over(own: T, general: T) -> T:
    said = {
        name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None
    }
    return structs.replace(general, **said)


def _compared(asked: Size, limits: Size) -> Iterator[tuple[str, int, int]]:
    for name in Size.__struct_fields__:
        limit = getattr(limits, name)
        if limit is not None and limit != UNLIMITED:
            yield name, getattr(asked, name), limit
