"""Dependencies (RFC 26): what a job may wait for, and whether how another job ended meets that.

A dependency is told from "scheme" and "value" of attributes.system.dependencies. Its description is
what the eventlog says of it, from dependency-add to dependency-remove; a job leaves DEPEND when
none is left. Texts are those of flux-core's dependency-after.c, begin-time.c and
dependency-singleton.c.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from jobmgrd.jobs.outcome import Outcome
from protocol import jobid
from protocol.errors import FormatError
from protocol.job import Result

SINGLETON: Final = "singleton"
"""Scheme and description."""

DEPRECATED: Final = "dependency scheme 'after' is deprecated, use 'afterstart'"

_AFTER: Final = {
    "after": "after-start",
    "afterstart": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
    "afterexcept": "after-except",
}
"""How a scheme is called in a description."""

_REAL: Final = re.compile(r"\+?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_TIME_MAX: Final = 1e12
"""UNIX times beyond this, some 30,000 years, are a typing error."""


class After(Struct, frozen=True):
    """Another job, the target, has to start, or to end in some way."""

    scheme: str
    value: str  # the target's id as it was spelled
    target: int

    @property
    def description(self) -> str:
        """What the eventlog says of it."""
        return f"{_AFTER[self.scheme]}={self.value}"

    @property
    def on_start(self) -> bool:
        """Whether it is met when the target starts, and not when it ends."""
        return _AFTER[self.scheme] == "after-start"


class BeginTime(Struct, frozen=True):
    """The clock has to reach a UNIX time."""

    t: float

    @property
    def description(self) -> str:
        """What the eventlog says of it."""
        return f"begin-time={self.t:.3f}"


class Singleton(Struct, frozen=True):
    """No other job of this user and name may be active, but those that wait for the same."""

    description: str = SINGLETON


class Foreign(Struct, frozen=True):
    """Of a scheme that only a plugin can know."""

    scheme: str
    value: str
    keys: Mapping[str, Any]  # the whole object of the jobspec

    @property
    def description(self) -> str:
        """What the eventlog says of it."""
        return f"{self.scheme}={self.value}" if self.value else self.scheme


Dependency: TypeAlias = After | BeginTime | Singleton | Foreign


def parse(given: Mapping[str, Any]) -> Dependency:
    """The dependency of an element of attributes.system.dependencies.

    Raises:
        FormatError: the value is not one of its scheme.
    """
    scheme, value = given["scheme"], given["value"]
    if scheme in _AFTER:
        return After(scheme, value, _target(scheme, value))
    if scheme == "begin-time":
        if not _REAL.fullmatch(value) or float(value) > _TIME_MAX:
            raise FormatError(f"Invalid begin-time={value[:64]}")
        return BeginTime(float(value))
    if scheme == SINGLETON:
        return Singleton()
    return Foreign(scheme, value, given)


def _target(scheme: str, value: str) -> int:
    try:
        return jobid.parse(value)
    except FormatError:
        text = f'dependency: {scheme}: "{value[:64]}" is not a valid jobid'
        raise FormatError(text) from None


NEVER_STARTED: Final = "never started"
_FAILED: Final = "failed or was canceled"
_FORGOTTEN: Final = "was canceled and purged: whether it ever started is not known any more"


def never(after: After, outcome: Outcome) -> str | None:
    """Why an outcome never meets a dependency, to follow the target's name; None: it does."""
    kind = _AFTER[after.scheme]
    if kind == "after-finish":
        return None
    if kind == "after-success" and outcome.ran is None:
        return _FAILED
    if outcome.ran is None:
        return _FORGOTTEN
    return NEVER_STARTED if not outcome.ran else _NEVER[kind](outcome)


def never_note(after: After, why: str | None) -> str | None:
    """The note of the exception that ends a job for that; None if there is no reason."""
    if why is None:
        return None
    if why == NEVER_STARTED:
        return f"dependency {after.description} job {why}"
    return f"dependency {after.description} can never be satisfied: job {after.value} {why}"


def _never_excepted(outcome: Outcome) -> str | None:
    if outcome.excepted is None:
        return "failed and was purged: whether by an exception is not known any more"
    return None if outcome.excepted else "ended without an exception"


_NEVER: Final[Mapping[str, Callable[[Outcome], str | None]]] = {
    "after-start": lambda outcome: None if outcome.started else NEVER_STARTED,
    "after-success": lambda outcome: None if outcome.result is Result.COMPLETED else _FAILED,
    "after-failure": lambda outcome: "succeeded" if outcome.result is Result.COMPLETED else None,
    "after-except": _never_excepted,
}
