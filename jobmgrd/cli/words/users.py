"""Users, by the name that this host has for them."""

import pwd
from functools import cache
from typing import Final

from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError


class UserType(Word[int]):
    """A user, by name or number."""

    name = "USER"

    def read(self, text: str) -> int:
        """The user id."""
        if text.isdecimal():
            return int(text)
        try:
            return pwd.getpwnam(text).pw_uid
        except KeyError:
            raise FormatError(f"there is no user {text!r}") from None


USER: Final = UserType()


@cache
def username(userid: int) -> str:
    """The name of a user; the number if there is none."""
    try:
        return pwd.getpwuid(userid).pw_name
    except (KeyError, OverflowError):
        return str(userid)
