"""What a task finds in its environment: the job's variables, and those that Flux adds."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

from jobmgrd.exec.port import Attempt
from jobmgrd.exec.template import Place
from protocol.jobid import encode
from protocol.resource_set import Rank
from protocol.shell_options import Ids

TMPDIR: Final = "FLUX_JOB_TMPDIR"


def job_environment(attempt: Attempt, rundir: str, tmpdir: str | None) -> dict[str, str]:
    """The variables that all tasks of an attempt share; nothing comes from the daemon's own.

    Where there is a local:// endpoint beside jobmgr's, Flux's commands find it, too.
    """
    shared = {
        **attempt.environment,
        "FLUX_JOB_ID": encode(attempt.id, "f58"),
        "FLUX_JOB_NNODES": str(len(attempt.nodes)),
        "FLUX_JOB_SIZE": str(attempt.tasks),
        "JOBMGRD_URI": rundir,
    }
    if tmpdir is not None:
        shared[TMPDIR] = tmpdir
    local = f"{rundir}/local"
    if os.access(local, os.W_OK):
        shared["FLUX_URI"] = f"local://{local}"
    return shared


def node_environment(attempt: Attempt, shared: Mapping[str, str], nodeid: int) -> dict[str, str]:
    """The variables that all tasks of a node share.

    A node without GPUs gets an invalid one in CUDA_VISIBLE_DEVICES, so that its tasks do not use
    those of others; the order of devices is only a default (flux-core shell/gpubind.c).
    """
    node = attempt.nodes[nodeid]
    found = {
        **shared,
        "JOBMGRD_CORES": _ids(node.cores),
        "JOBMGRD_NODE": node.host,
        "JOBMGRD_NODE_ID": str(nodeid),
    }
    if attempt.options.gpu_affinity.mode != "off":
        found["CUDA_VISIBLE_DEVICES"] = _ids(node.gpus) or "-1"
        found.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return found


def task_environment(
    attempt: Attempt, shared: Mapping[str, str], task: Place, tasks: int
) -> dict[str, str]:
    """The variables of one task, of so many on its node."""
    found = {
        **shared,
        "FLUX_TASK_RANK": str(task.rank),
        "FLUX_TASK_LOCAL_ID": str(task.local),
    }
    gpus = gpus_of(attempt, task.node, task.local, tasks)
    if gpus is not None:
        found["CUDA_VISIBLE_DEVICES"] = _ids(gpus) or "-1"
    return found


def gpus_of(attempt: Attempt, node: Rank, local: int, tasks: int) -> Ids | None:
    """The GPUs of one task, if each has its own: an equal share, or what the map says."""
    option = attempt.options.gpu_affinity
    if option.mode == "map":
        return option.map[local % len(option.map)]
    if option.mode != "per-task":
        return None
    each = len(node.gpus) // tasks
    return node.gpus[local * each : (local + 1) * each]


def _ids(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))
