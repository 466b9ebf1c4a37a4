"""Where the daemon and its clients meet unless told otherwise.

Both ask here, and a client imports nothing of configuration for it. These are pure functions of a
user and an environment (XDG Base Directory Specification 0.8).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

NAME: Final = "jobmgrd"


def default_rundir(uid: int, environ: Mapping[str, str]) -> Path:
    """The run directory of a user: sockets, gone after a reboot.

    Without XDG_RUNTIME_DIR it is in /run/user/UID, where systemd makes that directory: no
    other user can take its name first, as one could under /tmp.
    """
    if uid == 0:
        return Path("/run") / NAME
    return (xdg_directory(environ, "XDG_RUNTIME_DIR") or Path("/run/user") / str(uid)) / NAME


def xdg_directory(environ: Mapping[str, str], name: str) -> Path | None:
    """A directory that the environment names; the XDG specification ignores relative ones."""
    path = Path(environ.get(name, ""))
    return path if path.is_absolute() else None
