"""Asks a daemon for all that its clients were answered, and says what does not hold."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jobmgrd.archive.port import ArchiveError
from jobmgrd.archive.reader import ArchiveReader, Filter
from jobmgrd.client import Client, RpcError
from jobmgrd.client.errors import RpcTimeoutError
from jobmgrd.store.check import check
from jobmgrd.store.port import StoreError
from protocol import jobid
from scripts.faults.ledger import Promise, Seen, broken, broken_log, broken_runs
from scripts.faults.owner import GONE, TIMEOUT, Owner
from scripts.faults.steward import Steward

AT_ONCE: Final = 500
"""Jobs that are looked at at the same time: all at once would outlast the timeout of each."""

Record = Mapping[str, Any]


class Look:
    """One look after another; `checked` counts the answers that were looked at, by kind."""

    def __init__(self, uri: str, ran: Path, owners: Sequence[Owner], steward: Steward) -> None:
        self.checked: Counter[str] = Counter()
        self._uri = uri
        self._ran = ran
        self._owners = owners
        self._steward = steward

    async def at(self, promises: Sequence[Promise]) -> list[str]:
        """Whatever does not hold of these jobs, of all ids, purges and switches."""
        try:
            async with Client(self._uri, timeout=TIMEOUT) as client:
                return await self._look(client, promises)
        except (*GONE, RpcTimeoutError, RpcError) as error:
            return [f"the daemon could not be looked at: {error}"]

    async def _look(self, client: Client, promises: Sequence[Promise]) -> list[str]:
        wrong = list(await self._steward.look(client, self.checked))
        before = _ids(await _purge_log(client))
        seen = await _see_all(client, promises)
        log = await _purge_log(client)  # purges go on meanwhile: what is seen is between the two
        after = _ids(log)
        for promise in promises:
            found = seen[promise.id]
            texts = broken(promise, found, self.checked)
            wrong += [f"job {promise.id}: {text}" for text in texts]
            if promise.id in before and not found.purged:
                wrong.append(f"job {promise.id}: it is in the purge log, and is there")
            if found.purged and promise.id not in after:
                wrong.append(f"job {promise.id}: it was purged, and is not in the purge log")
        wrong += self._of_all(log)
        real = {promise.id for promise in promises if promise.real}
        return [*wrong, *broken_runs(seen, real, self._runs())]

    def _of_all(self, log: Sequence[Record]) -> Iterator[str]:
        ids = [promise.id for owner in self._owners for promise in owner.promises]
        if len(ids) != len(set(ids)):
            yield "an id was given out twice"
        batches = [batch for owner in self._owners for batch in owner.batches]
        yield from broken_log(batches, log, self.checked)

    def _runs(self) -> Counter[int]:
        """How often each job ran that notes it."""
        lines = self._ran.read_text().split() if self._ran.exists() else []
        return Counter(map(jobid.parse, lines))


async def _purge_log(client: Client) -> Sequence[Record]:
    stream = client.stream("job-manager.purge-log", {"since": 0, "follow": False})
    return [record async for record in stream]


def _ids(log: Sequence[Record]) -> set[int]:
    return {id for record in log for id in record["jobs"]}


async def _see_all(client: Client, promises: Sequence[Promise]) -> Mapping[int, Seen]:
    reply = await client.rpc("job-manager.pin-list")
    pins = {pin["id"] for pin in reply["pins"]}
    found: dict[int, Seen] = {}
    for start in range(0, len(promises), AT_ONCE):
        part = [promise.id for promise in promises[start : start + AT_ONCE]]
        seen = await asyncio.gather(*(_see(client, id, pinned=id in pins) for id in part))
        found |= dict(zip(part, seen, strict=True))
    return found


async def _see(client: Client, id: int, *, pinned: bool) -> Seen:
    request = {"id": id, "keys": ["eventlog", "jobspec"], "flags": 0}
    try:
        reply = await client.rpc("job-info.lookup", request)
    except RpcError as error:
        if "purged" in error.text:
            return Seen(None, purged=True, pinned=pinned)
        if "unknown" in error.text or "invalid" in error.text:
            return Seen(None, pinned=pinned)
        raise
    eventlog = [json.loads(line) for line in reply["eventlog"].splitlines()]
    name = json.loads(reply["jobspec"])["attributes"]["system"]["job"]["name"]
    return Seen(eventlog, name, pinned=pinned)


def unsound(statedir: Path) -> Iterator[str]:
    """What is wrong with the files of a daemon that has ended."""
    try:
        yield from check(statedir / "jobs.sqlite").faults
        with ArchiveReader(statedir / "archive.sqlite") as archive:
            archive.count(Filter())
    except (StoreError, ArchiveError) as error:
        yield str(error)


def not_archived(statedir: Path, purged: set[int]) -> Iterator[str]:
    """Purged jobs that the archive does not have."""
    with ArchiveReader(statedir / "archive.sqlite") as archive:
        missing = len(purged) - archive.count(Filter(ids=sorted(purged)))
    if missing:
        yield f"{missing} purged jobs are not in the archive"
