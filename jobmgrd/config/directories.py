"""Where the store lives unless told otherwise, and the templates that stand for directories.

The run directory, which clients need too, is in jobmgrd/rundir.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jobmgrd.config.errors import ConfigError
from jobmgrd.rundir import NAME, xdg_directory

RUNDIR: Final = "{{rundir}}"
STATEDIR: Final = "{{statedir}}"


def default_statedir(uid: int, environ: Mapping[str, str]) -> Path:
    """The state directory of a user: the store, kept for good.

    Raises:
        ConfigError: the environment names neither XDG_STATE_HOME nor HOME.
    """
    if uid == 0:
        return Path("/var/lib") / NAME
    if base := xdg_directory(environ, "XDG_STATE_HOME"):
        return base / NAME
    if home := xdg_directory(environ, "HOME"):
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
