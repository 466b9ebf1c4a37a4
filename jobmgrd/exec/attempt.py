"""A job -> what the executor is asked to run."""

from collections.abc import Mapping, Sequence

from jobmgrd.exec.port import Attempt
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.placement import place
from protocol import idset, jobid, shell_options, taskmap
from protocol.resource_set import Rank


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


def site_attempt(
    id: int, userid: int, ranks: Sequence[Rank], command: Sequence[str], environ: Mapping[str, str]
) -> Attempt:
    """The attempt of a command of the site, run once for a job around its tasks or after them.

    A job has one attempt at a time, its own or one of these, so they go by the job's id. It runs
    as the daemon's user, in the environment `environ` and what tells it which job it is for.
    """
    return Attempt(
        id=id,
        userid=userid,
        name=command[0],
        command=tuple(command),
        cwd=None,
        environment={
            **environ,
            "FLUX_JOB_ID": jobid.encode(id, "f58"),
            "FLUX_JOB_USERID": str(userid),
            "FLUX_JOB_RANKS": idset.format([rank.rank for rank in ranks]),
        },
        slots=1,
        nodes=(ranks[0],),
        taskmap=taskmap.block([1]),
        options=shell_options.DEFAULT,
    )
