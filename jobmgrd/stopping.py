"""The stop of the daemon is bounded, whatever it waits for.

A file system that hangs holds the store's threads, which nobody can end, and asyncio and the
interpreter would wait for them: once the time is over, the process goes without them.
"""

import asyncio
import os
import sys
from typing import NoReturn

import structlog

from jobmgrd.commits import Commits

log = structlog.get_logger()


class Stopping:
    """How long a stop may take (seconds), and what of the daemon it takes down now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._part = ""

    def note(self, part: str) -> None:
        """Remember what is taken down next, for who asks what a stop waits for."""
        self._part = part

    def limit(self, commits: Commits) -> None:
        """Let the stop that begins now take so long and no longer."""
        asyncio.get_running_loop().call_later(self.seconds, self._abandon, commits)

    def _abandon(self, commits: Commits) -> NoReturn:
        """Leave everything as a crash would: what was answered is durable, the rest is not."""
        log.error(
            "daemon.stop-incomplete",
            waiting_for=self._part,
            unwritten_jobs=commits.unwritten,
            reason=commits.failure or "it does not come back",
        )
        sys.stderr.flush()
        os._exit(1)
