"""Keeps what is written to stdin with its job (RFC 24), as far as the configuration lets it."""

from collections.abc import Callable

from jobmgrd.commits import Commits
from jobmgrd.jobs.job import Job
from protocol import job_input
from protocol.job_shell import StdinRequest


class JobInput:
    """Makes lines of requests; the first of a job comes behind a header.

    `limit` is how many bytes of such lines are kept with a job; what is more is gone once the
    tasks have it, and a last line says so. 0 keeps nothing at all.
    """

    def __init__(self, commits: Commits, clock: Callable[[], float]) -> None:
        self._commits = commits
        self._clock = clock
        self.limit = 0

    def keep(self, job: Job, request: StdinRequest) -> bool:
        """Keep a piece, or note that there was more; False if nothing is kept any more."""
        if job.input_size >= self.limit:
            return False
        now = self._clock()
        header = b"" if job.input_size else job_input.header(now)
        line = job_input.data(now, request)
        size = job.input_size + len(header) + len(line)
        if size > self.limit:
            line, size = job_input.cut(now, self.limit), job_input.ENDLESS
        job.input_size = size
        self._commits.input(job, header + line)
        return True
