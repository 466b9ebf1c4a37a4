"""job-state: an event for every state that a job comes to, once that is durable."""

from collections.abc import Callable, Sequence

from jobmgrd.commits import Committed
from protocol.events import JobStateEvent


class JobState:
    """Publishes when it is enabled: `[events] job-state = true`."""

    def __init__(self, publish: Callable[[JobStateEvent], object]) -> None:
        self._publish = publish
        self._enabled = False

    def configure(self, *, enabled: bool) -> None:
        """Switch publication on or off."""
        self._enabled = enabled

    def committed(self, batch: Sequence[Committed]) -> None:
        """See Listener."""
        if not self._enabled:
            return
        for item in batch:
            for state, t in item.moves:
                self._publish(JobStateEvent(item.job.id, str(state.name), t))
