"""Asks a daemon for its numbers again and again, and follows its events; waits while it is away."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

from jobmgrd.client import Client, ConnectionLostError, NoDaemonError, RpcTimeoutError
from jobmgrd.watch.snapshot import Snapshot
from protocol.errors import PayloadError, RpcError
from protocol.eventlog import Entry
from protocol.events import PurgeEvent
from protocol.job_list import StatsReply as JobCounts
from protocol.job_manager import StatsReply
from protocol.journal import TOPIC, JournalReply, JournalRequest
from protocol.payload import convert

SHOWN: Final[Mapping[str, int]] = dict.fromkeys(("submit", "start", "finish", "exception"), 1)
"""The events of a job that a person wants to see go by; the others come in between."""

AWAY: Final = (ConnectionLostError, NoDaemonError, RpcTimeoutError)


class View(Protocol):
    """Who is shown what the feed finds."""

    def numbers(self, snapshot: Snapshot) -> None:
        """New numbers."""

    def event(self, id: int, entry: Entry) -> None:
        """Something happened to a job."""

    def purged(self, event: PurgeEvent) -> None:
        """A batch was purged."""

    def away(self, reason: str) -> None:
        """The daemon does not answer, or refuses."""


class Feed:
    """Feeds a view until it is cancelled; `interval` is seconds from numbers to numbers."""

    def __init__(self, connect: Callable[[], Client], view: View, interval: float) -> None:
        self._connect = connect
        self._view = view
        self._interval = interval

    async def poll(self) -> None:
        """Tell the numbers."""
        client = self._connect()
        try:
            while True:
                try:
                    self._view.numbers(await _snapshot(client))
                except (*AWAY, RpcError, PayloadError) as error:
                    self._view.away(str(error))
                await asyncio.sleep(self._interval)
        finally:
            await client.close()

    async def follow(self) -> None:
        """Tell the events, from now on; guests may not see those of others, and are told none."""
        client = self._connect()
        try:
            while True:
                try:
                    await self._listen(client)
                except (*AWAY, RpcError, PayloadError):
                    await asyncio.sleep(self._interval)
        finally:
            await client.close()

    async def _listen(self, client: Client) -> None:
        request = JournalRequest(allow=SHOWN, purge=True)
        is_news = False
        async with aclosing(client.stream(TOPIC, request)) as replies:
            async for item in replies:
                reply: JournalReply = convert(item, JournalReply)
                if reply.purge is not None:
                    self._view.purged(reply.purge)
                for entry in reply.events if is_news else ():
                    self._view.event(reply.id, entry)
                is_news = is_news or reply.is_sentinel


async def _snapshot(client: Client) -> Snapshot:
    jobs, stats = await asyncio.gather(
        client.rpc("job-list.job-stats", reply=JobCounts),
        client.rpc("job-manager.stats-get", reply=StatsReply),
    )
    return Snapshot(time.monotonic(), jobs, stats)


def told(entry: Entry) -> str:
    """What an event says, in a few words."""
    context: Mapping[str, Any] = entry.context or {}
    if entry.name == "exception":
        return " ".join(filter(None, (str(context["type"]), str(context.get("note", "")))))
    if entry.name == "finish":
        status = int(context["status"])
        if status == 0:
            return "completed"
        return f"signal {status & 0x7F}" if status & 0x7F else f"exit {status >> 8}"
    return ""
