"""health.check: how the daemon is, in findings for people and programs. Ours, not Flux's."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Level: TypeAlias = Literal["ok", "warning", "error"]
LEVELS: Final[Sequence[Level]] = ("ok", "warning", "error")


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    level: Level
    text: str  # what is
    advice: str = ""  # what to do next, if it is not well


class HealthReply(Struct, frozen=True):
    """All findings, and the worst of their levels."""

    status: Level
    findings: list[Finding]
