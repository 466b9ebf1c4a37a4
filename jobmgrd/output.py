"""Keeps what tasks write, and where it goes instead, with their job (RFC 24)."""

from collections.abc import Callable

from jobmgrd.commits import Commits
from jobmgrd.exec.port import Output, Redirected
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.placement import place
from protocol import job_output, taskmap
from protocol.job_output import Chunk


class JobOutput:
    """Makes lines of what the executor tells; the first of a job comes behind a header."""

    def __init__(self, commits: Commits, clock: Callable[[], float]) -> None:
        self._commits = commits
        self._clock = clock

    def keep(self, job: Job, event: Output | Redirected) -> None:
        """Keep bytes that a task wrote, the end of a stream, or which file one goes to."""
        now = self._clock()
        if not job.has_output:
            job.has_output = True
            ntasks = taskmap.size(place(job.jobspec, job.ranks))
            self._commits.output(job, job_output.header(now, ntasks))
        if isinstance(event, Output):
            line = job_output.data(now, Chunk(event.stream, event.rank, event.data, event.eof))
        else:
            line = job_output.redirect(now, event.stream, event.ranks, event.path)
        self._commits.output(job, line)
