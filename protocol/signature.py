"""The Flux Security Signature J (RFC 39), mechanism "none": a payload and who claims to send it.

    base64(header) "." base64(payload) "." signature

The header is a series of typed pairs `key NUL type value NUL` (RFC 38). With mechanism "none" the
signature is the word "none": it proves nothing, and the transport must know the peer.
"""

import binascii
import re
from typing import Final

from protocol.errors import FormatError

USERID_MAX: Final = 2**32 - 1
HEADER_MAX: Final = 4096
"""Bytes of a header in base64; RFC 38 asks for a limit. The three pairs need less than 80."""

_USERID: Final = re.compile(r"i(0|[1-9][0-9]{0,9})")


def wrap(payload: bytes, userid: int) -> str:
    """The signature over a payload (the JSON jobspec) that claims a userid."""
    header = f"version\0i1\0userid\0i{userid}\0mechanism\0snone\0"
    return f"{_base64(header.encode())}.{_base64(payload)}.none"


def unwrap(J: str) -> tuple[int, bytes]:
    """The claimed userid and the payload.

    Raises:
        FormatError: J is malformed, or its mechanism is not "none".
    """
    parts = J.split(".")
    if len(parts) != 3:  # noqa: PLR2004 (HEADER.PAYLOAD.SIGNATURE)
        raise FormatError(f"J: expected 3 components separated by periods, got {len(parts)}")
    header, payload, signature = parts
    userid = _userid(_header(header))
    if signature != "none":
        raise FormatError('J: the signature of mechanism none is not "none"')
    return userid, _bytes(payload, "payload")


def _userid(header: dict[str, str]) -> int:
    """The claimed userid of a header whose version and mechanism are known."""
    for key in ("version", "mechanism", "userid"):
        if key not in header:
            raise FormatError(f"J: header: missing {key}")
    if header["version"] != "i1":
        raise FormatError(f"J: header: version is {header['version']!r}, expected 'i1'")
    if header["mechanism"] != "snone":
        raise FormatError(f"J: mechanism {header['mechanism'][1:]!r} is not supported, only 'none'")
    match = _USERID.fullmatch(header["userid"])
    if match is None or int(match[1]) > USERID_MAX:
        raise FormatError(f"J: header: userid is {header['userid']!r}, expected 'i' and a uid")
    return int(match[1])


def _header(text: str) -> dict[str, str]:
    """The pairs of a header; values keep their type character."""
    if len(text) > HEADER_MAX:
        raise FormatError(f"J: header is longer than {HEADER_MAX}")
    try:
        fields = _bytes(text, "header").decode().split("\0")
    except UnicodeDecodeError:
        raise FormatError("J: header is not UTF-8") from None
    if fields.pop() or len(fields) % 2:
        raise FormatError("J: header: a key or value is not terminated")
    keys, values = fields[::2], fields[1::2]
    if not all(keys) or not all(values) or len(set(keys)) != len(keys):
        raise FormatError("J: header: a key is empty or occurs twice, or a value has no type")
    return dict(zip(keys, values, strict=True))


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _bytes(text: str, name: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or a character beyond ASCII
        raise FormatError(f"J: {name} is not base64") from None
