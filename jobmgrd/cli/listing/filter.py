"""Which jobs `jobmgr jobs` is about: options that become a constraint (RFC 43)."""

import os
from collections.abc import Callable, Sequence, Sized
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import click

from jobmgrd.cli.words.users import USER
from jobmgrd.cli.words.when import PAST
from jobmgrd.cli.words.word import Word
from protocol import hostlist, idset
from protocol.errors import FormatError
from protocol.job import Result, State

C = TypeVar("C", bound=Callable[..., Any])
Constraint: TypeAlias = dict[str, Any]

EVERYBODY: Final = -1
_STATES: Final = {
    name.lower(): int(state) for name, state in State.__members__.items() if state != State.NEW
}
_RESULTS: Final = {result.name.lower(): int(result) for result in Result}
_ABBREVIATIONS: Final = {
    "d": "depend",
    "p": "priority",
    "s": "sched",
    "r": "run",
    "c": "cleanup",
    "i": "inactive",
    "cd": "completed",
    "f": "failed",
    "ca": "canceled",
    "to": "timeout",
}


class StatusType(Word[frozenset[str]]):
    """States and results, with commas between them."""

    name = "STATE|RESULT,.."

    def read(self, text: str) -> frozenset[str]:
        """Their long names, in small letters."""
        names = {_ABBREVIATIONS.get(name, name) for name in text.lower().split(",")}
        for name in sorted(names - _STATES.keys() - _RESULTS.keys()):
            known = ", ".join([*_STATES, *_RESULTS])
            raise FormatError(f"{name!r} is neither a state nor a result: {known}")
        return frozenset(names)


class UserOrAllType(Word[int]):
    """A user, or all of them."""

    name = "USER|all"

    def read(self, text: str) -> int:
        """The user id; EVERYBODY for all."""
        return EVERYBODY if text == "all" else USER.read(text)


class TargetsType(Word[Constraint]):
    """Hosts (RFC 29) or ranks (RFC 22)."""

    name = "HOSTS|RANKS"

    def read(self, text: str) -> Constraint:
        """The constraint."""
        operator = "ranks" if _reads(idset.parse, text) else "hostlist"
        if operator == "hostlist" and not _reads(hostlist.parse, text):
            raise FormatError(f"{text!r} is neither an idset nor a hostlist")
        return {operator: [text]}


def _reads(parse: Callable[[str], Sized], text: str) -> bool:
    try:
        return bool(len(parse(text)))
    except FormatError:
        return False


_OPTIONS: Final = (
    click.option(
        "-a", "--all", "everything", is_flag=True, help="Jobs in all states, ended ones too."
    ),
    click.option("-A", "everybody", is_flag=True, help="Jobs of all users."),
    click.option(
        "-u",
        "--user",
        type=UserOrAllType(),
        metavar="USER|all",
        help="Jobs of this user  [default: yours]",
    ),
    click.option(
        "-f",
        "--filter",
        "statuses",
        type=StatusType(),
        multiple=True,
        help="Jobs in these states, or that ended so. Repeatable  [default: pending,running]",
    ),
    click.option(
        "-q",
        "--queue",
        "queues",
        multiple=True,
        metavar="QUEUE,..",
        help="Jobs of these queues. Repeatable.",
    ),
    click.option("--name", help="Jobs of this name.", metavar="NAME"),
    click.option(
        "-i",
        "--include",
        type=TargetsType(),
        help="Jobs that were given some of these; of all users.",
    ),
    click.option(
        "--since", type=PAST, help="Active jobs, and those that ended then or later; implies -a."
    ),
    click.option("--before", type=PAST, help="Jobs that ended before; implies -f inactive."),
)


def filter_options(command: C) -> C:
    """Add the options; the command takes them as keywords, for `Filter`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Filter(NamedTuple):
    """What the options say; times are UNIX time."""

    everything: bool
    everybody: bool
    user: int | None
    statuses: Sequence[frozenset[str]]
    queues: Sequence[str]
    name: str | None
    include: Constraint | None
    since: float | None
    before: float | None

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return any(value is not None and value not in (False, ()) for value in self)

    @property
    def queue_names(self) -> Sequence[str]:
        """The queues, one by one."""
        return [name for names in self.queues for name in names.split(",") if name]

    def constraint(self) -> Constraint:
        """The constraint that all of them make together."""
        terms = [self._status()]
        userid = self._userid()
        if userid != EVERYBODY:
            terms.append({"userid": [userid]})
        if self.name is not None:
            terms.append({"name": [self.name]})
        if self.queue_names:
            terms.append({"queue": self.queue_names})
        if self.include:
            terms.append(self.include)
        if self.since is not None:
            ended = {"t_inactive": [f">={self.since!r}"]}
            terms.append({"or": [{"states": [int(State.ACTIVE)]}, ended]})
        if self.before is not None:
            terms.append({"t_inactive": [f"<{self.before!r}"]})
        return {"and": terms}

    def _userid(self) -> int:
        if self.everybody or (self.include and self.user is None):
            return EVERYBODY
        return os.getuid() if self.user is None else self.user

    def _status(self) -> Constraint:
        names = set[str]().union(*self.statuses)
        if not names:
            everything = self.everything or self.since is not None
            names = {"active", "inactive"} if everything else {"active"}
            if self.before is not None:
                names = {"inactive"}
        states = reduce(or_, (_STATES[name] for name in names & _STATES.keys()), 0)
        results = reduce(or_, (_RESULTS[name] for name in names & _RESULTS.keys()), 0)
        terms: list[Constraint] = []
        if states:
            terms.append({"states": [states]})
        if results:
            terms.append({"results": [results]})
        return terms[0] if len(terms) == 1 else {"or": terms}
