"""The option --add-file: small files that go along with a job (RFC 37)."""

import re
from base64 import b64encode
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

_GIVEN: Final = re.compile(
    r"(?:(?P<name>[^=:\n]+)(?::(?P<perms>[0-7]{1,4}))?=)?(?P<arg>.*)", re.DOTALL
)
_REGULAR: Final = 0o100000
_PERMS: Final = 0o600


class AddedFile(NamedTuple):
    """A file of the archive in a jobspec: its name, and its entry."""

    name: str
    entry: dict[str, Any]


class AddFileType(click.ParamType[AddedFile]):
    """A file that is read at once, so that it may change or go afterwards."""

    name = "[NAME[:PERMS]=]ARG"

    def convert(
        self, value: str | AddedFile, param: click.Parameter | None, ctx: click.Context | None
    ) -> AddedFile:
        """The file, by its path, or by what is in it if that has more than one line."""
        if isinstance(value, AddedFile):
            return value
        found = _GIVEN.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} names no file", param, ctx)
        name, perms, arg = found.group("name", "perms", "arg")
        if "\n" in arg and name is None:
            self.fail("what is in a file needs a name for it: NAME=...", param, ctx)
        try:
            data = arg.encode() if "\n" in arg else Path(arg).read_bytes()
        except OSError as error:
            self.fail(f"cannot read {arg}: {error.strerror}", param, ctx)
        name = name or Path(arg).name
        if "/" in name or name in {".", ".."}:
            self.fail(f"{name!r} is not the name of a file", param, ctx)
        mode = _REGULAR | (_PERMS if perms is None else int(perms, 8))
        return AddedFile(name, {"mode": mode, **_encoded(data)})


FILES_OPTION: Final = click.option(
    "--add-file",
    "files",
    type=AddFileType(),
    multiple=True,
    help="Take a small file along: it is {{tmpdir}}/NAME in COMMAND. NAME is that of the file "
    "unless given; an ARG with several lines is itself what is in it. Repeatable.",
)


def _encoded(data: bytes) -> dict[str, str]:
    try:
        return {"encoding": "utf-8", "data": data.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "data": b64encode(data).decode()}
