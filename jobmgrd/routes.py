"""What a service tells the router: its topics, who may ask, and about whose jobs."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct

from jobmgrd.call import Call, Stream, Value
from protocol.errors import RpcError
from protocol.message import ROLE_ADMIN, ROLE_OWNER, ROLE_USER

OWNER: Final = ROLE_OWNER
USER: Final = ROLE_OWNER | ROLE_USER
PRIVILEGED: Final = ROLE_OWNER | ROLE_ADMIN
"""Those whom the private mode does not concern."""

Handler: TypeAlias = Callable[[Call, Any], Value | Awaitable[Value]]
StreamHandler: TypeAlias = Callable[[Stream, Any], Coroutine[Any, Any, None] | None]


class TellingError(RpcError):
    """An error whose text tells more of a job than those may know who do not see all jobs."""

    def __init__(self, errnum: int, text: str, plain: RpcError) -> None:
        super().__init__(errnum, text)
        self.plain = plain


class Scope(Enum):
    """Whose jobs a guest may ask about: in private mode, and otherwise."""

    NONE = ""  # no job is concerned
    OWN = "its own jobs"
    SEEN = "all jobs; in private mode its own"
    TOTALS = "all jobs; in private mode refused"


class Route(Struct, frozen=True):
    """A row of the routing table.

    `scope` says for the table in SECURITY.md whose jobs a guest reaches; the handler sees to it.
    """

    topic: str
    request: Any  # a Struct, Mapping[str, Any] for free-form requests, or bytes for any payload
    handler: Handler | StreamHandler
    role: int = USER
    streaming: bool | None = False  # None: either, and the handler is given a Call or a Stream
    scope: Scope = Scope.NONE

    @property
    def private_role(self) -> int:
        """The roles that may ask in private mode."""
        return self.role & PRIVILEGED | ROLE_ADMIN if self.scope is Scope.TOTALS else self.role


class Service(Protocol):
    """What the router asks of a service."""

    def routes(self) -> Iterable[Route]:
        """The topics that it serves."""
