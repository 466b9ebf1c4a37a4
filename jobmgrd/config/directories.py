"""Where the daemon lives unless told otherwise, and the templates that stand for these places.

Clients look for the daemon in the same run directory, so these are pure functions of a user
and an environment (XDG Base Directory Specification 0.8).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jobmgrd.config.errors import ConfigError

NAME: Final = "jobmgrd"

RUNDIR: Final = "{{rundir}}"
STATEDIR: Final = "{{statedir}}"


def default_rundir(uid: int, environ: Mapping[str, str]) -> Path:
    """The run directory of a user: sockets, gone after a reboot.

    Without XDG_RUNTIME_DIR it is in /run/user/UID, where systemd makes that directory: no
    other user can take its name first, as one could under /tmp.
    """
    if uid == 0:
        return Path("/run") / NAME
    return (_absolute(environ, "XDG_RUNTIME_DIR") or Path("/run/user") / str(uid)) / NAME


def default_statedir(uid: int, environ: Mapping[str, str]) -> Path:
    """The state directory of a user: the store, kept for good.

    Raises:
        ConfigError: the environment names neither XDG_STATE_HOME nor HOME.
    """
    if uid == 0:
        return Path("/var/lib") / NAME
    if base := _absolute(environ, "XDG_STATE_HOME"):
        return base / NAME
    if home := _absolute(environ, "HOME"):
        return home / ".local" / "state" / NAME
    raise ConfigError(
        "environment",
        "",
        "",
        "neither XDG_STATE_HOME nor HOME is an absolute path",
        "one of them, --statedir or [daemon] statedir",
    )


def expand(template: str, *, rundir: Path, statedir: Path) -> str:
    """An endpoint or path with {{rundir}} and {{statedir}} replaced."""
    return template.replace(RUNDIR, str(rundir)).replace(STATEDIR, str(statedir))


def _absolute(environ: Mapping[str, str], name: str) -> Path | None:
    """A directory that the environment names; the XDG specification ignores relative ones."""
    path = Path(environ.get(name, ""))
    return path if path.is_absolute() else None
