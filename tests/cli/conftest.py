"""Fixtures for tests of jobmgr: its command line in this process, against a daemon or none."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from jobmgrd.cli.jobmgr import cli
from tests.conftest import DaemonProcess

Jobmgr: TypeAlias = Callable[..., Result]


def against(uri: str) -> Jobmgr:
    """A function that runs one jobmgr command line, given as words, at this URI."""

    def jobmgr(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--uri", uri, *words], prog_name="jobmgr")

    return jobmgr


@pytest.fixture
def jobmgr(shared_daemon: DaemonProcess) -> Jobmgr:
    """Run jobmgr with the module's daemon."""
    return against(shared_daemon.uri)


@pytest.fixture
def lonely_jobmgr(tmp_path: Path) -> Jobmgr:
    """Run jobmgr where there is no daemon."""
    return against(str(tmp_path))
