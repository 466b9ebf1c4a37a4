"""A supervisor for tests: in the test's loop, on a real socket, for daemons that come and go."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from jobmgrd.exec.launch import Launcher
from jobmgrd.exec.remote import RemoteExecutor
from jobmgrd.exec.supervisor import Supervisor
from tests.exec.recorder import Recorder


class Bench:
    """A supervisor, and the executors of daemons that find it."""

    def __init__(self, rundir: Path) -> None:
        self.rundir = rundir
        self.path = rundir / "exec"
        self.executors: list[RemoteExecutor] = []

    async def supervise(self, linger: float = 60.0) -> None:
        """Begin to serve the socket."""
        self.path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: self.supervisor.connect(),  # noqa: PLW0108 - it is made below
            str(self.path),
        )
        self.supervisor = Supervisor(self.rundir, self.path, linger)

    async def lose(self) -> None:
        """Let the supervisor end as if it had been killed, without anything told."""
        self._server.close()
        daemon = self.supervisor._daemon
        if daemon is not None:
            daemon.abort()
        await self.supervisor.close()

    def daemon(self, told: Recorder) -> RemoteExecutor:
        """The executor of another daemon."""
        launcher = Launcher(self.path, self.rundir / "exec.log", linger=0.05)
        executor = RemoteExecutor(told, launcher, kill_timeout=10.0, output_limit=1 << 24)
        self.executors.append(executor)
        return executor

    async def until(self, condition: Callable[[Supervisor], bool]) -> None:
        """Let the loop go round until something holds of the supervisor."""
        async with asyncio.timeout(20):
            while not condition(self.supervisor):  # noqa: ASYNC110 - it has no event for tests
                await asyncio.sleep(0)

    async def close(self) -> None:
        """End all."""
        for executor in self.executors:
            await executor.close()
        await self.lose()
