"""Who may ask what: the table in SECURITY.md, made from the router's own.

assembled()   every service on a store in memory, without sockets
rendered()    the table as Markdown
replaced()    a text with its table brought up to date
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from jobmgrd.access import Access
from jobmgrd.clock import Clock
from jobmgrd.config import check
from jobmgrd.engine import Engine
from jobmgrd.exec.port import Executor, Notify
from jobmgrd.exec.simulated import SimulatedExecutor
from jobmgrd.jobs.nodes import NodeConfig
from jobmgrd.jobs.scheduler import Scheduler
from jobmgrd.publisher import Publisher
from jobmgrd.router import Router
from jobmgrd.routes import OWNER, Route
from jobmgrd.services.assembly import Parts, assemble
from jobmgrd.store.memory import MemoryStore
from protocol.message import ROLE_LOCAL, ROLE_OWNER, Cred

PAGE: Final = Path(__file__).parent.parent / "SECURITY.md"
BEGIN: Final = "<!-- topics: made by scripts/topics --write -->\n"
END: Final = "<!-- end of topics -->\n"
EVERYWHERE: Final = (".ping", ".rusage", ".stats-get", ".stats-clear", "-cancel")
"""Endings of topics that every service or stream has; the prose around the table names them."""
OWNER_CRED: Final = Cred(1, ROLE_OWNER | ROLE_LOCAL)


@asynccontextmanager
async def assembled(
    config: dict[str, object] | None = None,
    make_executor: Callable[[Notify], Executor] = SimulatedExecutor,
) -> AsyncIterator[Parts]:
    """All that a daemon is made of, but for sockets and files."""
    store = MemoryStore()
    recovered = await store.open()
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    engine = Engine(store, Scheduler([NodeConfig(0, "host", 4)]), make_executor, time.time)
    parts = Parts(
        loaded=check(config or {}, "test"),
        config_path=None,
        cred=OWNER_CRED,
        engine=engine,
        store=store,
        archive=None,
        recovered=recovered,
        router=Router(spawn),
        publisher=Publisher(OWNER_CRED),
        spawn=spawn,
        clock=Clock(),
        access=Access(OWNER_CRED.userid),
        admit_keys=lambda _creds: None,
        rundir=Path("/run/jobmgrd"),
        statedir=Path("/var/lib/jobmgrd"),
    )
    await assemble(parts)
    await engine.recover(recovered)
    try:
        yield parts
    finally:
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


def rendered(router: Router) -> str:
    """The table: one row for all topics of a kind."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for route in sorted(router.table.values(), key=lambda route: route.topic):
        if not route.topic.endswith(EVERYWHERE):
            rows.setdefault(_rights(route), []).append(f"`{route.topic}`")
    lines = ["| topics | owner | admin | guest |", "| --- | --- | --- | --- |"]
    lines += [f"| {', '.join(topics)} | {' | '.join(who)} |" for who, topics in rows.items()]
    return "\n".join(lines) + "\n"


def _rights(route: Route) -> tuple[str, str, str]:
    """What the owner, an admin and another guest reach."""
    if route.role == OWNER:
        return "yes", "no", "no"
    if not (guest := route.scope.value):
        return "yes", "yes", "yes"
    admin = guest.partition(";")[0]
    return "all jobs", admin, guest


def replaced(text: str, table: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table + END + after


async def _table() -> str:
    async with assembled() as parts:
        return rendered(parts.router)


def main(arguments: list[str]) -> None:
    """Print the table, or write it."""
    table = asyncio.run(_table())
    if arguments == ["--write"]:
        PAGE.write_text(replaced(PAGE.read_text(), table))
    else:
        print(table, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
