"""Places: paths, and the endpoints of sockets."""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from jobmgrd.config.directories import RUNDIR, STATEDIR
from jobmgrd.config.kinds.values import Kind, array, filled, string

SOCKET_PATH_MAX: Final = 107
"""Bytes of a unix socket's path (sun_path without its NUL, unix(7))."""
PORT_MAX: Final = 65535
_TEMPLATE: Final = re.compile(r"\{\{.*?(?:\}\}|$)")


def _read_path(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError(f"relative path {value!r}")
    return path


def _read_state_file(value: object) -> str:
    text = _text(value)
    _read_path(_fill(text, STATEDIR))
    return text


def _read_endpoint(value: object) -> str:
    text = _text(value)
    scheme, _, path = text.partition("://")
    if scheme == "tcp":
        _check_tcp(text, path)
        return text
    path = _fill(path, RUNDIR)
    if scheme != "ipc" or not path.startswith("/"):
        raise ValueError(f"unsupported endpoint {text!r}")
    _check_length(text, path)
    return text


def _check_length(text: str, path: str) -> None:
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise ValueError(f"socket path is longer than {SOCKET_PATH_MAX} bytes: {text!r}")


def _check_tcp(text: str, place: str) -> None:
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise ValueError(f"expected tcp://ADDRESS:PORT, got {text!r}")


def _read_endpoints(value: object) -> tuple[str, ...]:
    return tuple(_read_endpoint(item) for item in filled(array(value)))


def _read_local_address(value: object) -> str:
    text = _text(value)
    if text.startswith("unix:"):
        path = _fill(text.removeprefix("unix:"), RUNDIR)
        if not path.startswith("/"):
            raise ValueError(f"relative path in {text!r}")
        _check_length(text, path)
        return text
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= PORT_MAX):
        raise ValueError(f"no port in {text!r}")
    if not _is_loopback(host):
        raise ValueError(f"{text!r} is not a loopback address")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _text(value: object) -> str:
    """A string that the operating system takes as a path."""
    text = string(value)
    if "\0" in text:
        raise ValueError("NUL in a path")
    return text


def _fill(text: str, template: str) -> str:
    """The text with a template replaced by some absolute path; other templates are refused."""
    path = text.replace(template, "/")
    if unknown := _TEMPLATE.search(path):
        raise ValueError(f"unknown template {unknown[0]!r}")
    return path


PATH: Final = Kind("an absolute path", _read_path)
STATE_FILE: Final = Kind(f"an absolute path, or one that starts with {STATEDIR}", _read_state_file)
ENDPOINTS: Final = Kind(
    f'endpoints such as ["ipc://{RUNDIR}/NAME", "tcp://ADDRESS:PORT"]', _read_endpoints
)
LOCAL_ADDRESS: Final = Kind(
    f'an address such as "127.0.0.1:9464" or "unix:{RUNDIR}/metrics"', _read_local_address
)
