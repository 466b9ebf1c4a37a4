"""Requests about all active jobs of a user: their options, and the one RPC each of them is."""

import os
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any, Final, TypeVar

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.listing.filter import UserOrAllType
from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError
from protocol.job import State
from protocol.job_manager import AllReply

C = TypeVar("C", bound=Callable[..., Any])

_STATES: Final = {
    state.name.lower(): state
    for state in (*(s for s in State if s & State.ACTIVE), State.PENDING, State.RUNNING)
    if state.name is not None
} | {"active": State.ACTIVE}


class StatesType(Word[State]):
    """States of active jobs, with commas between them."""

    name = "STATE,.."

    def read(self, text: str) -> State:
        """All of them together."""
        names = text.lower().split(",")
        for name in names:
            if name == "inactive":
                raise FormatError("exceptions cannot be raised on inactive jobs")
            if name not in _STATES:
                raise FormatError(f"{name!r} is not one of {', '.join(_STATES)}")
        return reduce(or_, (_STATES[name] for name in names))


user_option: Final = click.option(
    "-u",
    "--user",
    "userid",
    type=UserOrAllType(),
    metavar="USER|all",
    help="Jobs of this user; all is for the owner of the daemon only  [default: yours]",
)
force_option: Final = click.option(
    "-f", "--force", is_flag=True, help="Do it; without it, jobs are only counted."
)


def states_option(function: C) -> C:
    """Give a command -S; it gets a tuple of sets of states, for `ask`."""
    return click.option(
        "-S",
        "--states",
        multiple=True,
        type=StatesType(),
        help="Jobs in these states. Repeatable  [default: active]",
    )(function)


def raiseall(
    userid: int | None, states: tuple[State, ...], exception: Mapping[str, Any], *, dry_run: bool
) -> AllReply:
    """Raise an exception on all matching jobs, or count them."""
    wanted = reduce(or_, states, State(0)) or State.ACTIVE
    request = {"states": int(wanted), **exception}
    return ask("job-manager.raiseall", userid, request, dry_run=dry_run)


def ask(topic: str, userid: int | None, payload: Mapping[str, Any], *, dry_run: bool) -> AllReply:
    """Ask for all matching jobs of a user, by default one's own."""
    whose = os.getuid() if userid is None else userid
    with connect() as client:
        request = {"userid": whose, "dry_run": dry_run, **payload}
        return client.rpc(topic, request, reply=AllReply)


def matched(reply: AllReply) -> str:
    """The line that says what a dry run found, and what to type next."""
    return f"matched {jobs(reply.count)}{' (-f to confirm)' if reply.count else ''}"


def done(verb: str, reply: AllReply) -> str:
    """The line that says what was done to how many jobs."""
    failed = f" ({reply.errors} failed)" if reply.errors else ""
    return f"{verb} {jobs(reply.count - reply.errors)}{failed}"


def jobs(count: int) -> str:
    """A number of jobs."""
    return f"{count} job{'' if count == 1 else 's'}"
