"""Jobs asked for by their ids, all at once."""

import asyncio
from collections.abc import Sequence

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import complain
from jobmgrd.cli.listing.fields import Attributes
from jobmgrd.cli.pipelined import each
from jobmgrd.cli.words.ids import spelled
from protocol.errors import RpcError
from protocol.job_list import IdReply, IdRequest


def by_id(ids: Sequence[int], attrs: Sequence[str]) -> tuple[Sequence[Attributes], bool]:
    """The jobs there are, and whether any was refused, which is said."""

    async def ask() -> list[IdReply | RpcError]:
        async with connect_async() as client:
            return await each(
                lambda id_: client.rpc("job-list.list-id", IdRequest(id_, attrs), reply=IdReply),
                ids,
            )

    answers = dict(zip(ids, asyncio.run(ask()), strict=True))
    refused = {id_: answer for id_, answer in answers.items() if isinstance(answer, RpcError)}
    for id_, error in refused.items():
        complain(f"job {spelled(id_)}: {error}")
    found = [answer.job for answer in answers.values() if isinstance(answer, IdReply)]
    return found, bool(refused)
