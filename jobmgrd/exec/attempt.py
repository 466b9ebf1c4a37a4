"""A job -> what the executor is asked to run."""

from jobmgrd.exec.port import Attempt
from jobmgrd.jobs.job import Job


def attempt_of(job: Job) -> Attempt:
    """The attempt of a job that has its resources."""
    spec = job.jobspec
    return Attempt(
        id=job.id,
        userid=job.userid,
        command=spec.command,
        cwd=spec.cwd,
        environment=spec.environment,
        slots=spec.num_slots,
        tasks=spec.ntasks,
        stdout=spec.stdout,
        stderr=spec.stderr,
        label_io=spec.label_io,
        cores=tuple(core for rank in job.ranks for core in rank.cores),
        gpus=tuple(gpu for rank in job.ranks for gpu in rank.gpus),
        run_duration=spec.test.run_duration if spec.test else None,
        simulate_status=spec.test.wait_status if spec.test else 0,
        simulate_exception=spec.test.mock_exception or None if spec.test else None,
    )
