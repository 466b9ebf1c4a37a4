"""The keys of a daemon that listens on tcp://: its own, and those of its clients.

The directory of clients holds a file NAME.pub for each, as `jobmgr keygen` writes it: the public
key, the `user` who holds it, and the `role` that it gives.
"""

import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, cast, get_args

from msgspec import Struct

from jobmgrd.config.errors import ConfigError
from jobmgrd.config.kinds import USERID_MAX
from jobmgrd.config.schema import Config
from jobmgrd.curve import SUFFIX, KeyFileError, KeyPair, public_key, read_secret, read_values

Role = Literal["owner", "admin", "user"]
ROLES: Final = get_args(Role)


class ClientKey(Struct, frozen=True):
    """Who holds a key, and what it lets them do."""

    name: str
    userid: int
    role: Role


class Keys(Struct, frozen=True):
    """The daemon's own key, and its clients by their public keys in Z85."""

    own: KeyPair
    clients: Mapping[str, ClientKey]


def read(config: Config, source: str) -> Keys | None:
    """The keys, if any endpoint is tcp://.

    Raises:
        ConfigError: there are none, or one of the files is wrong.
    """
    table = next((name for name in ("rpc", "events") if _is_tcp(getattr(config, name).bind)), None)
    if table is None:
        return None
    curve = config.curve
    if curve.secret_key is None or curve.clients is None:
        missing = "secret-key" if curve.secret_key is None else "clients"
        problem = f"tcp needs CURVE keys, but [curve] {missing} is not set"
        raise ConfigError(source, table, "bind", problem, "a path, see docs/curve.md")
    try:
        own = read_secret(curve.secret_key)
    except KeyFileError as error:
        raise ConfigError(source, "curve", "secret-key", str(error)) from error
    try:
        return Keys(own, _clients(curve.clients))
    except KeyFileError as error:
        raise ConfigError(source, "curve", "clients", str(error)) from error


def _is_tcp(endpoints: tuple[str, ...]) -> bool:
    return any(endpoint.startswith("tcp://") for endpoint in endpoints)


def _clients(directory: Path) -> Mapping[str, ClientKey]:
    try:
        status = directory.stat()
        files = sorted(p for p in directory.iterdir() if p.suffix == SUFFIX and p.name[0] != ".")
    except OSError as error:
        raise KeyFileError(f"{directory}: {error.strerror}") from error
    _check_writers(directory, status)
    clients: dict[str, ClientKey] = {}
    for file in files:
        key, client = _client(file)
        if key in clients:
            raise KeyFileError(f"{file}: holds the key of {clients[key].name}{SUFFIX}")
        clients[key] = client
    return clients


def _client(file: Path) -> tuple[str, ClientKey]:
    values = read_values(file)
    _check_writers(file, file.stat())
    key = public_key(file, values).decode()
    role = values.get("role", "user")
    if role not in ROLES:
        raise KeyFileError(f"{file}: role is {role!r}, expected one of {', '.join(ROLES)}")
    userid = _userid(file, values.get("user"))
    return key, ClientKey(file.name.removesuffix(SUFFIX), userid, cast("Role", role))


def _userid(file: Path, user: str | None) -> int:
    if user is None:
        raise KeyFileError(f"{file}: user is missing, expected a name or a userid")
    if user.isascii() and user.isdecimal():
        if int(user) > USERID_MAX:
            raise KeyFileError(f"{file}: user {user} is larger than {USERID_MAX}")
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise KeyFileError(f"{file}: unknown user {user!r}") from None


def _check_writers(path: Path, status: os.stat_result) -> None:
    """Whoever can write here could let anybody in."""
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{path}: belongs to user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileError(f"{path}: others may write it (mode {mode:04o}): chmod go-w {path}")
