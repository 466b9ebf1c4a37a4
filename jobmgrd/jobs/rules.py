"""Retention rules: which class an inactive job belongs to, and the limits of each class.

The first rule that matches a job is the job's. A class number is made of the generation of the
rules, which changes whenever what they match changes, and the rule's place among them:

    0                        no rule matches (retention.DEFAULT), in any generation
    generation * 100 + n     rule n, counted from 1

So jobs that were classed by earlier rules stand apart until they are classed anew: meanwhile the
global limits hold for them, and no limit of a rule that is not theirs.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from jobmgrd.jobs.retention import DEFAULT, Limits, Policy
from protocol.job import Result

RULES_MAX: Final = 99
_STRIDE: Final = 100


class Rule(Struct, frozen=True):
    """A rule: what it matches (empty: anything), and how long such jobs stay."""

    name: str
    results: frozenset[Result] = frozenset()
    queues: frozenset[str] = frozenset()
    userids: frozenset[int] = frozenset()
    limits: Limits = Limits()

    def matches(self, result: int, queue: str, userid: int) -> bool:
        """Whether a job with these facts is of this rule."""
        return (
            (not self.results or result in self.results)
            and (not self.queues or queue in self.queues)
            and (not self.userids or userid in self.userids)
        )


class RuleSet(Struct, frozen=True):
    """The rules in force, and their generation."""

    rules: Sequence[Rule] = ()
    generation: int = 0

    def classify(self, result: int, queue: str, userid: int) -> int:
        """The class of a job that ended."""
        for n, rule in enumerate(self.rules, start=1):
            if rule.matches(result, queue, userid):
                return self.generation * _STRIDE + n
        return DEFAULT

    def policy(self, limits: Limits) -> Policy:
        """The limits of a purge by these rules, within the global limits."""
        return Policy(limits, {self._class(n): rule.limits for n, rule in self._numbered()})

    def name(self, rule: int) -> str | None:
        """The name of the rule of a class; None for the default, held and former classes."""
        for n, found in self._numbered():
            if self._class(n) == rule:
                return found.name
        return None

    def signature(self) -> bytes:
        """What the rules match, in a form to compare: limits and names do not matter."""
        return msgspec.json.encode(
            [[sorted(r.results), sorted(r.queues), sorted(r.userids)] for r in self.rules]
        )

    def after(self, kept: "Generation") -> "RuleSet":
        """These rules with the generation that follows from what was in force before."""
        same = kept.signature == self.signature().decode()
        return RuleSet(self.rules, kept.number if same else kept.number + 1)

    def _class(self, n: int) -> int:
        return self.generation * _STRIDE + n

    def _numbered(self) -> Sequence[tuple[int, Rule]]:
        return list(enumerate(self.rules, start=1))


class Generation(Struct, frozen=True):
    """What the store remembers of the rules by which its jobs are classed."""

    number: int = 0
    signature: str = "[]"
    complete: bool = True  # every job is classed by these rules

    @staticmethod
    def read(data: bytes | None) -> "Generation":
        """From the store's metadata; if they cannot be read, every job is to be classed anew."""
        if data is None:
            return Generation()
        try:
            return msgspec.json.decode(data, type=Generation)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Generation(complete=False)

    def written(self) -> bytes:
        """For the store's metadata."""
        return msgspec.json.encode(self)
