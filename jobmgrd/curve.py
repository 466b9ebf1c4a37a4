"""CURVE keys in files, for both sides of the wire (ZeroMQ RFC 26).

A key is a pair. Its file, written by `jobmgr keygen PATH`, holds both halves and is its owner's
alone (mode 0600); PATH.pub holds the public half and may be given away. Both are TOML, and such as
pyzmq's and CZMQ's users know them:

    public-key = "..."
    secret-key = "..."        # 40 characters each: 32 bytes in Z85
"""

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    import zmq

PUBLIC: Final = "public-key"
SECRET: Final = "secret-key"  # noqa: S105 - the name of a key in a file
SUFFIX: Final = ".pub"
SIZE_MAX: Final = 65536

_LINE: Final = re.compile(r'^([a-z-]+) *= *"([^"\\]*)" *(?:#.*)?$', re.MULTILINE)
_Z85: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeyFileError(ValueError):
    """A key that cannot be used; the text names the file and what is wrong with it."""


class KeyPair(Struct, frozen=True):
    """A public key and its secret, in Z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.public.decode()})"  # the secret is for no log and no traceback


class Curve(Struct, frozen=True):
    """What a client needs: its own key, and the server's public one."""

    own: KeyPair
    server: bytes

    def apply(self, socket: "zmq.Socket[bytes]") -> None:
        """Have a socket speak CURVE from its next connect on."""
        import zmq  # noqa: PLC0415 - who reads no key needs no ZeroMQ

        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.own.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.own.secret)


def generate() -> KeyPair:
    """A new key."""
    import zmq  # noqa: PLC0415 - see Curve.apply

    return KeyPair(*zmq.curve_keypair())


def read_secret(path: Path) -> KeyPair:
    """The key in a file that nobody else may read.

    Raises:
        KeyFileError: it cannot be read, belongs to somebody else, is open to others, or is no key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - the file that was opened, and no other
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"{path}: not a regular file")
        if status.st_uid not in (os.geteuid(), 0):
            raise KeyFileError(f"{path}: belongs to user {status.st_uid}, not to you")
        if mode & 0o177:
            raise KeyFileError(f"{path}: mode is {mode:04o}, expected 0600: chmod 600 {path}")
        values = _values(path, file.read(SIZE_MAX))
    return KeyPair(_key(path, values, PUBLIC), _key(path, values, SECRET))


def read_public(path: Path) -> bytes:
    """The public key in a file.

    Raises:
        KeyFileError: it cannot be read, or is no key.
    """
    return _key(path, read_values(path), PUBLIC)


def read_values(path: Path) -> dict[str, str]:
    """The names and texts in a file.

    Raises:
        KeyFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _values(path, file.read(SIZE_MAX))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def public_key(path: Path, values: dict[str, str]) -> bytes:
    """The public key among the values of a file.

    Raises:
        KeyFileError: there is none.
    """
    return _key(path, values, PUBLIC)


def write(path: Path, pair: KeyPair, about: dict[str, str]) -> Path:
    """Write both files; the path of the public one, which says `about`, too.

    Raises:
        OSError: one of them exists, or cannot be written; then none is left behind.
    """
    public = path.with_name(path.name + SUFFIX)
    shared = {PUBLIC: pair.public.decode(), **about}
    _write(path, 0o600, {PUBLIC: pair.public.decode(), SECRET: pair.secret.decode()})
    try:
        _write(public, 0o644, shared)
    except OSError:
        path.unlink()
        raise
    return public


def _write(path: Path, mode: int, values: dict[str, str]) -> None:
    text = "".join(f'{name} = "{value}"\n' for name, value in values.items())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w") as file:  # noqa: PTH123 - made with its mode, not changed to it
        file.write(text)


def _values(path: Path, content: bytes) -> dict[str, str]:
    try:
        return dict(_LINE.findall(content.decode()))
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path}: not UTF-8 at byte {error.start}") from error


def _key(path: Path, values: dict[str, str], name: str) -> bytes:
    if name not in values:
        raise KeyFileError(f"{path}: {name} is missing, expected a file made by jobmgr keygen")
    if not _Z85.fullmatch(values[name]):
        raise KeyFileError(f"{path}: {name} is not 40 characters of Z85")
    return values[name].encode()
