"""What a task finds in its environment: the job's variables, and those that Flux adds."""

from collections.abc import Sequence

from jobmgrd.exec.port import Attempt
from protocol.jobid import encode


def job_environment(attempt: Attempt) -> dict[str, str]:
    """The variables that all tasks of an attempt share; nothing comes from the daemon's own.

    A job without GPUs gets an invalid one in CUDA_VISIBLE_DEVICES, so that it does not use those
    of others; the order of devices is only a default (flux-core shell/gpubind.c).
    """
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **attempt.environment,
        "CUDA_VISIBLE_DEVICES": _ids(attempt.gpus) or "-1",
        "FLUX_JOB_ID": encode(attempt.id, "f58"),
        "FLUX_JOB_NNODES": "1",
        "FLUX_JOB_SIZE": str(attempt.tasks),
        "JOBMGRD_CORES": _ids(attempt.cores),
    }


def task_environment(shared: dict[str, str], rank: int) -> dict[str, str]:
    """The variables of one task; on one host its local id is its rank."""
    return {**shared, "FLUX_TASK_RANK": str(rank), "FLUX_TASK_LOCAL_ID": str(rank)}


def _ids(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
