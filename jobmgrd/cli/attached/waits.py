"""Why a job that somebody is attached to does not start: told once, if it waits for long."""

import asyncio
import time
from typing import Final

from jobmgrd.cli.failure import complain
from jobmgrd.cli.listing.fields import FIELDS
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import Client
from protocol.errors import RpcError
from protocol.job import State

PATIENCE: Final = 2.0
"""Seconds before it is told."""

_INFO: Final = FIELDS["contextual_info"]


async def explain_waiting(client: Client, id_: int) -> None:
    """Say after a while what a pending job waits for, as jobmgr jobs shows it."""
    await asyncio.sleep(PATIENCE)
    try:
        reply = await client.rpc("job-list.list-id", {"id": id_, "attrs": _INFO.attrs})
    except RpcError:  # it is gone already
        return
    job = reply["job"]
    if job["state"] & State.PENDING:
        why = _INFO.value(job, time.time()) or "resources are taken by other jobs"
        complain(f"{spelled(id_)} waits: {why}")
