"""An executor that sends simulated attempts one way and real ones another."""

from jobmgrd.exec.port import Attempt, Executor, Fate, Input


class Switch(Executor):
    """Two executors behind one port; an attempt that has a `run_duration` is simulated."""

    def __init__(self, simulated: Executor, real: Executor) -> None:
        self._simulated = simulated
        self._real = real

    def start(self, attempt: Attempt) -> None:
        """See Executor."""
        self._choose(attempt).start(attempt)

    def signal(self, id: int, signum: int) -> None:
        """See Executor; the one that does not know the job does nothing."""
        self._simulated.signal(id, signum)
        self._real.signal(id, signum)

    def write(self, id: int, input: Input) -> None:
        """See Executor; simulated attempts read nothing."""
        self._real.write(id, input)

    def cancel(self, id: int) -> None:
        """See Executor; the one that does not know the job does nothing."""
        self._simulated.cancel(id)
        self._real.cancel(id)

    async def terminate(self) -> None:
        """See Executor."""
        await self._simulated.terminate()
        await self._real.terminate()

    async def close(self) -> None:
        """See Executor."""
        await self._simulated.close()
        await self._real.close()

    @property
    def position(self) -> bytes:
        """See Executor; simulated attempts end with the daemon."""
        return self._real.position

    async def open(self, position: bytes) -> None:
        """See Executor."""
        await self._real.open(position)

    def resume(self, attempt: Attempt, elapsed: float | None) -> Fate:
        """See Executor."""
        return self._choose(attempt).resume(attempt, elapsed)

    def begin(self) -> None:
        """See Executor."""
        self._real.begin()

    def acknowledge(self, position: bytes) -> None:
        """See Executor."""
        self._real.acknowledge(position)

    def _choose(self, attempt: Attempt) -> Executor:
        return self._real if attempt.run_duration is None else self._simulated
