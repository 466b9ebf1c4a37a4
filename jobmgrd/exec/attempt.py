"""A job -> what the executor is asked to run."""

from jobmgrd.exec.port import Attempt
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.placement import place


def attempt_of(job: Job) -> Attempt:
    """The attempt of a job that has its resources.

    Raises:
        FormatError: its tasks cannot be placed on them as it asks.
    """
    spec = job.jobspec
    test = spec.test
    return Attempt(
        id=job.id,
        userid=job.userid,
        name=spec.name,
        command=spec.command,
        cwd=spec.cwd,
        environment=spec.environment,
        slots=spec.num_slots,
        nodes=tuple(job.ranks),
        taskmap=place(spec, job.ranks),
        options=spec.shell,
        files=spec.files,
        duration=spec.duration,
        run_duration=test.run_duration if test else None,
        simulate_status=test.wait_status if test else 0,
        simulate_exception=test.mock_exception or None if test else None,
    )
