"""The same request for each of several jobs; every refusal names its job."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.words.ids import spelled
from protocol.errors import RpcError


def ask(verb: str, topic: str, ids: Iterable[int], payload: Mapping[str, Any]) -> None:
    """Ask for each job; exit with 1, after a line for each refusal, if there was any."""
    refused = refusals(topic, ids, payload)
    for id_, error in refused.items():
        complain(f"{verb} {spelled(id_)}: {error}")
    if refused:
        sys.exit(1)


def refusals(topic: str, ids: Iterable[int], payload: Mapping[str, Any]) -> dict[int, RpcError]:
    """Ask for each job, with its id in the payload; what was refused, by id."""
    ids = list(dict.fromkeys(ids))
    answers = asyncio.run(_ask(topic, [{"id": id_, **payload} for id_ in ids]))
    return {
        id_: answer
        for id_, answer in zip(ids, answers, strict=True)
        if isinstance(answer, RpcError)
    }


async def _ask(topic: str, payloads: Iterable[Mapping[str, Any]]) -> list[Any]:
    async with connect_async() as client:
        return await each(lambda payload: client.rpc(topic, payload), payloads)
