"""Executors for a test, closed after it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest

from jobmgrd.exec.local import LocalExecutor
from tests.exec.recorder import Recorder
from tests.exec.supervision import Bench

MakeLocal: TypeAlias = Callable[..., LocalExecutor]


@pytest.fixture
def told() -> Recorder:
    """The recorder that the executor of a test notifies."""
    return Recorder()


@pytest.fixture
async def make_local(told: Recorder, tmp_path: Path) -> AsyncIterator[MakeLocal]:
    """Make executors of real processes, closed after the test."""
    made: list[LocalExecutor] = []

    def make(
        kill_timeout: float = 10.0, output_limit: int = 1 << 24, *, bind: bool = False
    ) -> LocalExecutor:
        executor = LocalExecutor(
            told, kill_timeout=kill_timeout, output_limit=output_limit, rundir=str(tmp_path)
        )
        executor.configure(kill_timeout=kill_timeout, output_limit=output_limit, bind=bind)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        await executor.close()


@pytest.fixture
def local(make_local: MakeLocal) -> LocalExecutor:
    """An executor with a kill timeout that no test reaches."""
    return make_local()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A supervisor in a directory whose name is short enough for a socket."""
    with TemporaryDirectory(prefix="jm-") as directory:
        made = Bench(Path(directory))
        await made.supervise()
        yield made
        await made.close()
