"""Antecedents (RFC 26): how the jobs ended that others depend on, active, inactive or purged."""

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from jobmgrd.jobs.outcome import Outcome
from jobmgrd.services.lookup import written
from jobmgrd.store.port import Facts, InactiveRow, Store, Tombstone
from protocol.job import Result

PAGE: Final = 250
"""Ended jobs that are read at once."""


class Ended(Struct, frozen=True):
    """A job that is not active any more: how it ended, and what holds it back, if it is kept."""

    outcome: Outcome
    userid: int | None  # None is "not known any more"
    facts: Facts | None = None
    purged: str = ""  # when, in words


async def look_up(store: Store, ids: Collection[int]) -> dict[int, Ended | None]:
    """How these jobs ended; None for one that was never seen.

    Raises:
        StoreError: the store cannot be read.
    """
    wanted = list(ids)
    found: dict[int, Ended | None] = {}
    for start in range(0, len(wanted), PAGE):
        for row in await store.rows(wanted[start : start + PAGE]):
            found[row.id] = _of_row(row)
    for id in wanted:
        if id not in found:
            found[id] = _of(await store.find(id))
    return found


def _of(found: InactiveRow | Tombstone | None) -> Ended | None:
    if found is None:
        return None
    if isinstance(found, InactiveRow):
        return _of_row(found)
    outcome = Outcome.of(Result(found.result), found.fate)
    return Ended(outcome, found.userid, purged=written(found.t_purged))


def _of_row(row: InactiveRow) -> Ended:
    facts = Facts(row.id, row.result, row.queue, row.userid)
    return Ended(Outcome.of(Result(row.result), row.fate), row.userid, facts)
