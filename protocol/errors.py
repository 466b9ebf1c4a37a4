"""What can go wrong between two peers, and whose fault it is.

    ProtocolError              bytes or values break the contract
    ├── MessageError           frames are not an RFC 3 message: the sender's transport is at fault
    ├── PayloadError           a payload does not decode or misses a key: the sender is at fault
    └── FormatError            a value (FLUID, FSD, idset, jobspec, R, eventlog) is malformed
    RpcError                   an answer: a request was understood and refused, errnum says why

Every ProtocolError that reaches the router is answered as RpcError(EPROTO), except
FormatError, which the service that reads the value answers (EINVAL as a rule).
"""

import errno
import os
from typing import Final

ENODATA: Final = errno.ENODATA
"""61: the regular end of a streaming RPC."""


class ProtocolError(ValueError):
    """Bytes or values that break the contract; the text names the thing that is wrong."""


class MessageError(ProtocolError):
    """Frames that are not a message (RFC 3)."""


class PayloadError(ProtocolError):
    """A payload that does not decode, or decodes to the wrong shape."""


class FormatError(ProtocolError):
    """A malformed value: FLUID, duration, idset, jobspec, R or eventlog entry."""


class RpcError(Exception):
    """An RPC refused or failed: a POSIX errno and an optional text for people.

    Raised by handlers in the daemon, and again by client libraries for the caller.
    """

    def __init__(self, errnum: int, text: str = "") -> None:
        super().__init__(errnum, text)
        self.errnum = errnum
        self.text = text

    @property
    def name(self) -> str:
        """The errno's symbol, for example "ENOENT"."""
        return errno.errorcode.get(self.errnum, f"errno {self.errnum}")

    def __str__(self) -> str:
        return self.text or os_text(self.errnum)


def os_text(errnum: int) -> str:
    """The system's words for an errno, for example "No such file or directory"."""
    return os.strerror(errnum)
