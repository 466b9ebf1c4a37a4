"""When a task that has ended dooms the others (flux-core shell/doom.c).

exit-timeout     the first task has ended, and the others are still there after this time
exit-on-error    a task has failed
"""

import asyncio
import math
import os
import signal
from collections.abc import Callable

from jobmgrd.exec.port import Attempt
from jobmgrd.exec.template import Place
from protocol import duration


class Doom:
    """Watches the ends of the tasks of an attempt that has several; `fall` gets the reason."""

    def __init__(self, attempt: Attempt, fall: Callable[[str], None]) -> None:
        self._attempt = attempt
        self._fall = fall
        self._timer: asyncio.TimerHandle | None = None

    def ended(self, task: Place, status: int) -> None:
        """Take note that a task has ended while others go on."""
        options = self._attempt.options
        if options.exit_on_error and status:
            self._fall(self._say(task, status, "failed", "exit-on-error is set"))
        elif self._timer is None and not math.isinf(options.exit_timeout):
            expired = f"exit-timeout={duration.format(options.exit_timeout)} has expired"
            note = self._say(task, status, "exited", expired)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(options.exit_timeout, self._fall, note)

    def stop(self) -> None:
        """Nobody is left to be doomed. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    def _say(self, task: Place, status: int, verb: str, reason: str) -> str:
        program = self._attempt.command[0].rpartition("/")[2]
        code = os.waitstatus_to_exitcode(status)
        how = f"Exit {code}" if code >= 0 else signal.strsignal(-code) or f"Signal {-code}"
        where = f"task rank {task.rank} on host {task.node.host}"
        return f"{program}: {where} {verb} ({how}) and {reason}"
