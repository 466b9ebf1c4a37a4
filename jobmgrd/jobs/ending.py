"""How a job ended, in the words that flux_job_wait gives its caller."""

import os
import signal

from jobmgrd.jobs.job import Job
from protocol import eventlog

_SIGNALED = 128
"""A shell's exit code is this and the signal's number, if a signal ended its command."""


def ending(job: Job) -> tuple[bool, str]:
    """Whether a job that has ended was successful, and a text of why it was not.

    The event that led it to CLEANUP decides: a finish event, or an exception of severity 0; what
    came after it does not count (flux-core job-manager/wait.c).
    """
    for line in job.entries:
        entry = eventlog.decode_line(line)
        context = entry.context or {}
        if entry.name == "finish":
            return context["status"] == 0, _status(context["status"])
        if entry.name == "exception" and context["severity"] == 0:
            return False, f"Fatal exception type={context['type']} {context['note']}"
    raise ValueError("job has not ended")


def _status(status: int) -> str:
    """What a wait status says of the job's tasks, as flux_job_waitstatus_to_exitcode words it."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"job shell {signal.strsignal(-code)}"
    if code > _SIGNALED:
        return f"task(s) {signal.strsignal(code - _SIGNALED)}"
    return f"task(s) exited with exit code {code}" if code else ""
