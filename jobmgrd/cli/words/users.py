"""Users, by the name that this host has for them."""

import pwd
from functools import cache
from typing import Final

import click


class UserType(click.ParamType[int]):
    """A user, by name or number."""

    name = "USER"

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The user id."""
        if isinstance(value, int) or value.isdecimal():
            return int(value)
        try:
            return pwd.getpwnam(value).pw_uid
        except KeyError:
            self.fail(f"there is no user {value!r}", param, ctx)


USER: Final = UserType()


@cache
def username(userid: int) -> str:
    """The name of a user; the number if there is none."""
    try:
        return pwd.getpwuid(userid).pw_name
    except (KeyError, OverflowError):
        return str(userid)
