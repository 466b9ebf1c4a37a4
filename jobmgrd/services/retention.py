"""job-manager.retention, pin, unpin, pin-list: which jobs are kept, by which rule, and why.

Classes every job as it ends, holds pins, and classes old jobs anew when the rules change: page by
page, each heartbeat a few, so that nothing waits for it.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from msgspec.structs import asdict

from jobmgrd.call import Call, Empty, Value
from jobmgrd.engine import Engine
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.retention import HELD, UNLIMITED, Candidate, Limits, Policy, Standing
from jobmgrd.jobs.retention import standing as standing_of
from jobmgrd.jobs.rules import Generation, Rule, RuleSet
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.holds import Holds
from jobmgrd.services.lookup import TIME_MAX, UNKNOWN_JOB, missing, written
from jobmgrd.store.port import (
    Changes,
    Facts,
    InactiveRow,
    Pin,
    Recovered,
    Store,
    StoreError,
)
from protocol import duration, jobid
from protocol.errors import RpcError
from protocol.retention import IdRequest, PinListReply, PinReply, PinRequest, RetentionReply

log = structlog.get_logger()

PINS_MAX: Final = 10_000
PAGE: Final = 250
"""Jobs classed anew in one transaction: 15 ms if their ids say nothing of their end."""
META: Final = "retention"
LISTED: Final = 3
"""Dependents that an explanation names."""


class Retention:
    """The rules in force, and the pins."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        recovered: Recovered,
        holds: Holds,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._store = store
        self._holds = holds
        holds.class_of = self._class_of
        self._spawn = spawn
        self._clock = clock
        self._pins = {pin.id: pin for pin in recovered.pins}
        holds.is_pinned = self._pins.__contains__
        self._generation = Generation.read(recovered.meta.get(META))
        self._rules = RuleSet(generation=self._generation.number)
        self._limits = Limits()
        self._reclassing = False
        self._unsettled: set[int] = set()

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-manager.retention", IdRequest, self.retention, role=OWNER),
            Route("job-manager.pin", PinRequest, self.pin, role=OWNER),
            Route("job-manager.unpin", IdRequest, self.unpin, role=OWNER),
            Route("job-manager.pin-list", Empty, self.pin_list, role=OWNER),
        ]

    # --- rules ------------------------------------------------------------------------------

    def configure(self, limits: Limits, rules: Sequence[Rule]) -> None:
        """Set the limits and the rules; jobs that ended under other rules are classed anew."""
        self._limits = limits
        self._rules = RuleSet(rules).after(self._generation)
        if self._rules.generation != self._generation.number:
            signature = self._rules.signature().decode()
            self._generation = Generation(self._rules.generation, signature, complete=False)
            kept = self._store.write(Changes(meta={META: self._generation.written()}))
            kept.add_done_callback(asyncio.Future.exception)  # if not, the next start does it again
        self._reclass_soon()

    def _reclass_soon(self) -> None:
        if not self._generation.complete and not self._reclassing:
            self._reclassing = True
            self._spawn(self._reclass())

    @property
    def policy(self) -> Policy:
        """What may be purged by the limits in force."""
        return self._rules.policy(self._limits)

    @property
    def complete(self) -> bool:
        """Whether every job is classed by the rules in force."""
        return self._generation.complete

    def pinned(self, id: int) -> Pin | None:
        """The pin of a job, if it has one."""
        return self._pins.get(id)

    def held_for(self, id: int) -> str | None:
        """Which active jobs depend on a job, in words; None: none does."""
        dependents = self._holds.dependents_of(id)
        return _held_for(dependents) if dependents else None

    @property
    def pins(self) -> int:
        """How many pins there are."""
        return len(self._pins)

    def rule_name(self, rule: int) -> str:
        """What a class is called."""
        if rule == HELD:
            return "held"
        return self._rules.name(rule) or "default"

    def class_of(self, job: Job) -> int:
        """The class of a job that ends."""
        if job.id in self._holds.dependents.by_target:
            self._holds.keep(Facts(job.id, int(job.result), job.jobspec.queue, job.userid))
            return HELD
        if job.id in self._pins:
            return HELD
        return self._rules.classify(int(job.result), job.jobspec.queue, job.userid)

    def _class_of(self, facts: Facts) -> int:
        """The class of an inactive job on which no other depends."""
        if facts.id in self._pins:
            return HELD
        return self._rules.classify(facts.result, facts.queue, facts.userid)

    async def _reclass(self) -> None:
        """Class all jobs anew, a page at a time; begins again if the rules change meanwhile."""
        generation = None
        after: int | None = 0
        try:
            while after is not None:
                if generation != self._generation.number:
                    generation, after = self._generation.number, 0
                after = await self._store.reclass(after, PAGE, self._class_of)
                await asyncio.sleep(0)
            self._generation = Generation(generation or 0, self._generation.signature)
            await self._store.write(Changes(meta={META: self._generation.written()}))
            log.info("retention.reclassed", generation=generation)
        except StoreError as error:  # the next heartbeat begins again
            log.warning("retention.not-reclassed", reason=str(error))
        finally:
            self._reclassing = False

    # --- pins -------------------------------------------------------------------------------

    async def pin(self, call: Call, request: PinRequest) -> Value:
        """Keep a job, active or inactive; answered once that is durable."""
        if not request.reason:
            raise RpcError(errno.EINVAL, "a pin needs a reason")
        now = self._clock()
        if request.until and request.until <= now:
            raise RpcError(errno.EINVAL, "a pin cannot end in the past")
        if request.until > TIME_MAX:
            raise RpcError(errno.EINVAL, "a pin cannot end after the year 9999")
        if request.id not in self._pins and len(self._pins) >= PINS_MAX:
            raise RpcError(errno.ENOSPC, f"there are {PINS_MAX} pins already")
        await self._require(request.id)
        pin = Pin(request.id, request.reason, request.until, call.cred.userid, now)
        before = self._pins.get(pin.id)
        self._pins[pin.id] = pin  # before the write: a job that ends meanwhile is held
        try:
            await self._store.write(Changes(pins={pin.id: pin}, rules={pin.id: HELD}))
        except Exception:
            if self._pins.get(pin.id) is pin:
                self._restore(pin.id, before)
            await self._settle([pin.id])
            raise
        try:
            await self._require(pin.id)
        except RpcError:  # a purge was faster than the pin
            await self._try_unpin([pin.id])
            raise
        except StoreError:  # nobody can tell
            await self._take_back(pin, before)
            raise
        return None

    async def _take_back(self, pin: Pin, before: Pin | None) -> None:
        """Undo a pin that is durable; one that there was before was answered, and stays."""
        if before is None:
            await self._try_unpin([pin.id])
        elif self._pins.get(pin.id) is pin:
            self._pins[pin.id] = before
            with suppress(StoreError):  # the job is pinned by either
                await self._store.write(Changes(pins={pin.id: before}))

    def _restore(self, id: int, pin: Pin | None) -> None:
        if pin is None:
            self._pins.pop(id, None)
        else:
            self._pins[id] = pin

    async def _require(self, id: int) -> InactiveRow | None:
        """The row of an inactive job, None for an active one, RpcError for any other id."""
        if id in self._engine.jobs:
            return None
        found = await self._store.find(id)
        if not isinstance(found, InactiveRow):
            raise missing(found, UNKNOWN_JOB)
        return found

    async def unpin(self, _call: Call, request: IdRequest) -> Value:
        """Let a job go as its rule says."""
        if request.id not in self._pins:
            await self._require(request.id)
            raise RpcError(errno.EINVAL, "job is not pinned")
        await self._unpin([request.id])
        return None

    async def _unpin(self, ids: Sequence[int]) -> None:
        """End pins. They are there until that is durable: a job that ends meanwhile is held."""
        before = {id: self._pins.get(id) for id in ids}
        rows = await self._store.rows(ids)
        ids = [id for id in ids if self._pins.get(id) is before[id]]  # else it is pinned anew
        rules = {
            row.id: self._rules.classify(row.result, row.queue, row.userid)
            for row in rows
            if row.id in ids and row.id not in self._holds
        }
        await self._store.write(Changes(pins=dict.fromkeys(ids), rules=rules))
        for id, pin in before.items():
            if self._pins.get(id) is pin:
                self._pins.pop(id, None)
        await self._settle([id for id in ids if id not in rules])

    async def _settle(self, ids: Sequence[int]) -> None:
        """Class those of these jobs anew that have ended while their pins changed."""
        try:
            found = await self._store.rows(ids) if ids else ()
            rules = {
                row.id: self._class_of(Facts(row.id, row.result, row.queue, row.userid))
                for row in found
                if row.rule == HELD and row.id not in self._holds
            }
            if any(rule != HELD for rule in rules.values()):
                await self._store.write(Changes(rules=rules))
        except StoreError as error:  # the next heartbeat tries again
            log.warning("pin.not-settled", ids=list(ids), reason=str(error))
            self._unsettled.update(ids)

    def pin_list(self, _call: Call, _request: Empty) -> PinListReply:
        """All pins."""
        return PinListReply([_pin_reply(self._pins[id]) for id in sorted(self._pins)])

    def on_heartbeat(self) -> None:
        """End the pins whose time is over, and do what could not be kept before."""
        now = self._clock()
        over = [pin.id for pin in self._pins.values() if pin.until and pin.until <= now]
        if over:
            self._spawn(self._expire(over))
        if self._unsettled:
            unsettled, self._unsettled = list(self._unsettled), set()
            self._spawn(self._settle(unsettled))
        self._reclass_soon()

    async def _expire(self, ids: Sequence[int]) -> None:
        if await self._try_unpin(ids):
            log.info("pin.expired", ids=list(ids))

    async def _try_unpin(self, ids: Sequence[int]) -> bool:
        """Whether pins could be ended; else they stay, expired ones until a later heartbeat."""
        try:
            await self._unpin(ids)
        except StoreError as error:
            log.warning("pin.not-ended", ids=list(ids), reason=str(error))
            return False
        return True

    # --- explanation ------------------------------------------------------------------------

    def retention(self, _call: Call, request: IdRequest) -> Awaitable[Value] | Value:
        """What holds a job, and when it will go."""
        pin = self._pins.get(request.id)
        held = _pin_reply(pin) if pin else None
        if request.id in self._engine.jobs:
            why = "active jobs are never purged"
            return RetentionReply(request.id, "active", why, pin=held)
        return self._explain(request.id, held)

    async def _explain(self, id: int, pin: PinReply | None) -> RetentionReply:
        row = await self._require(id)
        if row is None:
            raise RpcError(errno.EAGAIN, "the job is ending")
        now = self._clock()
        if (held := self.held_for(id)) is not None:
            age = now - row.t_clean
            return RetentionReply(id, "inactive", held, rule="held", age=age, pin=pin)
        if pin is not None:
            end = f"until {written(pin.until)}" if pin.until else "until it is unpinned"
            why = f"pinned {end}: {pin.reason}"
            age = now - row.t_clean
            return RetentionReply(id, "inactive", why, rule="pinned", age=age, pin=pin)
        job = Candidate(row.t_clean, row.id, row.rule)
        standing = await self._store.inspect(
            partial(standing_of, policy=self.policy, job=job, now=now)
        )
        return RetentionReply(
            id, "inactive", _words(standing), rule=self.rule_name(row.rule), **asdict(standing)
        )


def _pin_reply(pin: Pin) -> PinReply:
    return PinReply(pin.id, pin.reason, pin.until, pin.userid, pin.t)


def _held_for(dependents: Sequence[int]) -> str:
    if len(dependents) == 1:
        return f"held: the active job {jobid.encode(dependents[0])} depends on it"
    named = ", ".join(jobid.encode(id) for id in dependents[:LISTED])
    more = ", ..." if len(dependents) > LISTED else ""
    return f"held: {len(dependents)} active jobs depend on it: {named}{more}"


def _words(standing: Standing) -> str:
    """A standing in a sentence."""
    if standing.age_limit == UNLIMITED and standing.num_limit == UNLIMITED:
        return "no limit applies: kept for ever"
    parts = []
    if standing.goes is not None:
        left = standing.age_limit - standing.age
        parts.append(
            f"older than its age limit {duration.format(standing.age_limit)}"
            if left < 0
            else f"goes by age in {duration.format(left)}"
        )
    if standing.beyond is not None:
        parts.append(
            "beyond the number that may stay"
            if standing.beyond <= 0
            else f"goes by number when {standing.beyond} more jobs have ended"
        )
    return ", ".join(parts)
