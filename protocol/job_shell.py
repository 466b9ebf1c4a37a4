"""What a job shell is asked (flux-core shell/svc.c, shell/input/service.c): stdin for its tasks.

A shell is a service of its own name, which the event shell.init of guest.exec.eventlog tells.
"""

import re
from base64 import b64decode, b64encode
from typing import Any, Final

from msgspec import Struct

from protocol import idset, jobid
from protocol.errors import FormatError

_TOPIC: Final = re.compile(r"([0-9]{1,10})-shell-(f[1-9A-Za-z]{1,12})\.(\w+)", re.ASCII)


class StdinRequest(Struct, frozen=True):
    """SERVICE.stdin: the context of a data event (RFC 24)."""

    stream: str
    rank: str | int
    data: str = ""
    encoding: str = "UTF-8"
    eof: bool = False

    @property
    def raw(self) -> bytes:
        """The bytes to write.

        Raises:
            FormatError: they are said to be base64, and are not.
        """
        if self.encoding != "base64":
            return self.data.encode()
        try:
            return b64decode(self.data, validate=True)
        except ValueError as error:
            raise FormatError(f"data: {error}") from None

    @property
    def ranks(self) -> tuple[int, ...] | None:
        """The tasks that are meant; None for all.

        Raises:
            FormatError: they are no idset.
        """
        if self.rank == "all":
            return None
        return tuple(idset.parse(str(self.rank)))


def stdin(data: bytes, ranks: str = "all", *, eof: bool = False) -> dict[str, Any]:
    """The payload of a request; bytes that are not UTF-8 go as base64."""
    request: dict[str, Any] = {"stream": "stdin", "rank": ranks}
    if data:
        try:
            request["data"] = data.decode()
        except UnicodeDecodeError:
            request |= {"data": b64encode(data).decode(), "encoding": "base64"}
    if eof:
        request["eof"] = True
    return request


def service(userid: int, id_: int) -> str:
    """The name under which the shell of a user's job serves."""
    return f"{userid}-shell-{jobid.encode(id_, 'f58plain')}"


def parse_topic(topic: str) -> tuple[int, int, str] | None:
    """The userid, job id and method of a topic; None if it is not a shell's."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        return None
    try:
        return int(found[1]), jobid.parse(found[2]), found[3]
    except FormatError:
        return None
