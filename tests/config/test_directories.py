"""Where the daemon lives by default, and the templates that stand for that."""

from pathlib import Path

import pytest

from jobmgrd.config import (
    Config,
    ConfigError,
    default_rundir,
    default_statedir,
    expand,
)


def test_root_has_the_system_directories() -> None:
    """Root's daemon is the host's, whatever root's environment says."""
    environ = {"XDG_RUNTIME_DIR": "/run/user/0", "XDG_STATE_HOME": "/root/state"}
    assert default_rundir(0, environ) == Path("/run/jobmgrd")
    assert default_statedir(0, environ) == Path("/var/lib/jobmgrd")


def test_users_have_their_own_directories() -> None:
    """XDG variables if they are absolute, then what systemd and the specification say."""
    environ = {"XDG_RUNTIME_DIR": "/run/u", "XDG_STATE_HOME": "/s", "HOME": "/home/u"}
    assert default_rundir(7, environ) == Path("/run/u/jobmgrd")
    assert default_statedir(7, environ) == Path("/s/jobmgrd")
    relative = {"XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "", "HOME": "/home/u"}
    assert default_rundir(7, relative) == Path("/run/user/7/jobmgrd")
    assert default_statedir(7, relative) == Path("/home/u/.local/state/jobmgrd")
    with pytest.raises(ConfigError, match="neither XDG_STATE_HOME nor HOME"):
        default_statedir(7, {})


def test_templates_stand_for_the_directories() -> None:
    """The default endpoint and store follow the directories that the command line chose."""
    places = {"rundir": Path("/r"), "statedir": Path("/s")}
    assert expand(Config().rpc.bind[0], **places) == "ipc:///r/rpc"
    assert expand(Config().store.path, **places) == "/s/jobs.sqlite"
