"""job-list.list: jobs with their attributes, active ones from memory, inactive ones from the store.

A list is made page by page, and each page is encoded and let go: a stream of a million jobs holds
a few pages at any time, and lets other work in between them.
"""

import asyncio
import errno
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from operator import attrgetter
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from jobmgrd.call import Call, Empty, Stream, Value
from jobmgrd.engine import Engine
from jobmgrd.flow import Flow
from jobmgrd.jobs.attributes import ANNOTATIONS, ATTRIBUTES, attributes, check_names
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.match import Predicate, assume, predicate
from jobmgrd.ration import Ration
from jobmgrd.router import Router, cancel_route
from jobmgrd.routes import Route, Scope
from jobmgrd.store.port import Query, Store
from protocol import payload
from protocol.constraint import FALSE, TRUE, And, Constraint, Userids
from protocol.constraint_reader import parse
from protocol.errors import FormatError, RpcError
from protocol.job import State
from protocol.job_list import ALL, VERSION, AttrsReply, ListRequest, Page
from protocol.payload import Format

PAGE: Final = 256
"""Jobs in a page: a millisecond of work at most, on the loop or on the store's thread."""

SCAN: Final = 2048
"""Jobs in memory that are looked at before other work is let in: a millisecond at most."""

PLAIN_MAX: Final = 100_000
"""Jobs in the one response of an RPC that is not streaming."""

GUEST_LISTS_MAX: Final = 16
"""Lists that are made for a guest at a time: each holds what it has found, until it is read."""

Encode: TypeAlias = Callable[[Mapping[str, Any]], bytes]
Pages: TypeAlias = AsyncGenerator[Sequence[Raw], None]


class JobList:
    """Pending jobs by priority, running ones by start, inactive ones by end, the last first.

    Args:
        engine: has the active jobs.
        store: has the inactive ones.
        router: knows the streams.
        annotate: has active jobs say why they wait; called when somebody asks for that.
    """

    def __init__(
        self, engine: Engine, store: Store, router: Router, annotate: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._annotate = annotate
        self._store = store
        self._router = router
        self._ration = Ration(GUEST_LISTS_MAX)

    def routes(self) -> Iterable[Route]:
        """See Service."""
        return [
            Route("job-list.list", ListRequest, self.list, streaming=None, scope=Scope.SEEN),
            cancel_route("job-list.list", self._router),
            Route("job-list.list-attrs", Empty, self.list_attrs),
        ]

    def list_attrs(self, _call: Call, _request: Empty) -> AttrsReply:
        """The names of all attributes."""
        return AttrsReply([*ATTRIBUTES, ALL])

    def list(self, call: Call, request: ListRequest) -> Coroutine[Any, Any, Value]:
        """The jobs that match, at most `max_entries` of them (0: all)."""
        selection = _select(request)
        if not self._router.sees_all(call.cred):
            own = Userids(frozenset({call.cred.userid}))
            selection = replace(selection, constraint=And((selection.constraint, own)))
        pages = self._pages(selection, _ENCODERS[call.format])
        pages = self._router.lanes.paced(call.peer, pages)
        listing = _stream(call, pages) if isinstance(call, Stream) else _answer(pages)
        return listing if call.cred.is_owner else self._ration.take(call.cred.userid, listing)

    async def _pages(self, selection: "_Selection", encode: Encode) -> Pages:
        names, left = selection.names, selection.limit
        if ANNOTATIONS in names:
            self._annotate()
        seen: set[int] = set()  # jobs that may end, and come again, while this goes on
        found = await _in_memory(tuple(self._engine.jobs.values()), selection)
        for first in range(0, min(len(found), left), PAGE):
            jobs = found[first : first + min(PAGE, left)]
            left -= len(jobs)
            seen.update(job.id for job in jobs)
            yield [Raw(encode(attributes(job, names))) for job in jobs]
            await asyncio.sleep(0)
        if not left:
            return
        query = Query(selection.constraint, selection.since, names)
        async with aclosing(self._store.list(query, min(PAGE, left))) as pages:
            async for page in pages:
                ended = [job for job in page if job["id"] not in seen][:left]
                left -= len(ended)
                if ended:
                    yield [Raw(encode(job)) for job in ended]
                if not left:
                    return


async def _in_memory(jobs: Sequence[Job], selection: "_Selection") -> Sequence[Job]:
    """Jobs that are active, or have ended and are not in the store yet, in order.

    Each is looked at once, and listed as it is then, since it may move on meanwhile.
    """
    found: dict[State, list[Job]] = {State.PENDING: [], State.RUNNING: [], State.INACTIVE: []}
    looks = _looks(selection.constraint, found)
    for first in range(0, len(jobs), SCAN):
        if first:
            await asyncio.sleep(0)
        for job in jobs[first : first + SCAN]:
            if (look := looks.get(job.state)) and job.committed:
                add, matches = look
                if matches is None or matches(job):
                    add(job)
    pending, running, ended = found.values()
    pending.sort(key=attrgetter("id"))
    pending.sort(key=attrgetter("priority"), reverse=True)
    running.sort(key=attrgetter("t_run", "id"), reverse=True)
    ended.sort(key=attrgetter("t_clean", "id"), reverse=True)
    since = selection.since
    return [*pending, *running, *(job for job in ended if job.t_clean > since)]


_Look: TypeAlias = tuple[Callable[[Job], None], Predicate | None]


def _looks(constraint: Constraint, found: Mapping[State, list[Job]]) -> Mapping[State, _Look]:
    """For each state that a job may be in, where it goes if it matches, and what says so."""
    looks: dict[State, _Look] = {}
    for states, jobs in found.items():
        left = assume(constraint, states)
        if left != FALSE:
            look = jobs.append, None if left == TRUE else predicate(left)
            looks.update((state, look) for state in State if state & states)
    return looks


class _Selection(Struct, frozen=True):
    """A request, checked."""

    names: Sequence[str]
    constraint: Constraint
    since: float
    limit: int


def attribute_names(attrs: Sequence[str]) -> Sequence[str]:
    """The attributes that a request asks for, each once however often it is named.

    Raises:
        RpcError: EINVAL, one of them does not exist.
    """
    if ALL in attrs:
        check_names(name for name in attrs if name != ALL)
        return list(ATTRIBUTES)
    check_names(attrs)
    return list(dict.fromkeys(attrs))


def _select(request: ListRequest) -> _Selection:
    if request.max_entries < 0:
        raise RpcError(errno.EPROTO, "invalid payload: max_entries < 0 not allowed")
    if request.since < 0:
        raise RpcError(errno.EPROTO, "invalid payload: since < 0.0 not allowed")
    wanted = _legacy(request) if request.constraint is UNSET else request.constraint
    try:
        constraint = parse(wanted)
    except FormatError as error:
        text = f"invalid payload: constraint object invalid: {error}"
        raise RpcError(errno.EPROTO, text) from error
    names = attribute_names(request.attrs)
    return _Selection(names, constraint, request.since, request.max_entries or (1 << 62))


def _legacy(request: ListRequest) -> dict[str, Any]:
    """The constraint that a request of the older protocol stands for."""
    values = {
        "userid": request.userid,
        "name": request.name,
        "queue": request.queue,
        "states": request.states or UNSET,
        "results": request.results or UNSET,
    }
    return {"and": [{key: [value]} for key, value in values.items() if value is not UNSET]}


async def _answer(found: Pages) -> Page:
    jobs: list[Raw] = []
    async with aclosing(found) as pages:
        async for page in pages:
            jobs += page
            if len(jobs) > PLAIN_MAX:
                text = f"more than {PLAIN_MAX} jobs match: set max_entries, or ask for a stream"
                raise RpcError(errno.EOVERFLOW, text)
    return Page(jobs)


async def _stream(stream: Stream, found: Pages) -> None:
    flow = Flow(stream)
    version: int | UnsetType = VERSION
    async with aclosing(found) as pages:
        async for jobs in pages:
            await flow.send(payload.encode(Page(jobs, version), stream.format))
            version = UNSET
            if not stream.open:
                return
    stream.end()


_ENCODERS: Final[Mapping[Format, Encode]] = {
    Format.MSGPACK: msgspec.msgpack.Encoder().encode,
    Format.JSON: msgspec.json.Encoder().encode,
}
