"""An executor that sends simulated attempts one way and real ones another."""

from jobmgrd.exec.port import Attempt, Executor


class Switch:
    """Two executors behind one port; an attempt that has a `run_duration` is simulated."""

    def __init__(self, simulated: Executor, real: Executor) -> None:
        self._simulated = simulated
        self._real = real

    def start(self, attempt: Attempt) -> None:
        """See Executor."""
        executor = self._real if attempt.run_duration is None else self._simulated
        executor.start(attempt)

    def signal(self, id: int, signum: int) -> None:
        """See Executor; the one that does not know the job does nothing."""
        self._simulated.signal(id, signum)
        self._real.signal(id, signum)

    def cancel(self, id: int) -> None:
        """See Executor; the one that does not know the job does nothing."""
        self._simulated.cancel(id)
        self._real.cancel(id)

    async def close(self) -> None:
        """See Executor."""
        await self._simulated.close()
        await self._real.close()
