"""Jobs of a bench, submitted as a client does it, and what becomes of them."""

import errno
from typing import Any

from jobmgrd.exec.port import Started
from jobmgrd.store.port import InactiveRow
from protocol import eventlog
from protocol.job import State
from protocol.jobspec import from_command
from protocol.message import Cred
from tests.services.bench import OWNER, Bench


def request(*dependencies: str, urgency: int = 16, name: str | None = None) -> dict[str, Any]:
    """A submit with dependencies, SCHEME:VALUE each."""
    simulated = {"exec.test.run_duration": "1s"}
    spec = from_command(["true"], name=name, attributes=simulated)
    if dependencies:
        spec["attributes"]["system"]["dependencies"] = [
            dict(zip(("scheme", "value"), uri.split(":", 1), strict=True)) for uri in dependencies
        ]
    return {"jobspec": spec, "urgency": urgency}


async def submit(bench: Bench, *dependencies: str, cred: Cred = OWNER, **options: Any) -> int:  # noqa: ANN401
    """Submit a job that is taken in; its id."""
    reply = await bench.ask("job-ingest.submit", request(*dependencies, **options), cred)
    assert isinstance(reply, dict), reply
    return int(reply["id"])


async def refused(bench: Bench, *dependencies: str, cred: Cred = OWNER, **options: Any) -> str:  # noqa: ANN401
    """Submit a job that is refused with EINVAL; the text."""
    reply = await bench.ask("job-ingest.submit", request(*dependencies, **options), cred)
    assert isinstance(reply, tuple), reply
    assert reply[0] == errno.EINVAL
    return str(reply[1])


async def start(bench: Bench, id: int) -> None:
    """Let a job start."""
    await bench.until(lambda: id in bench.executor.attempts)
    bench.executor.tell(Started(id))
    await bench.settle()


async def end(bench: Bench, id: int, status: int = 0) -> None:
    """Run a job to its end."""
    await start(bench, id)
    bench.executor.finish(id, status)
    await bench.until(lambda: id not in bench.engine.jobs)
    await bench.settle()


async def cancel(bench: Bench, id: int) -> None:
    """Cancel a job, and see it go."""
    bench.engine.raise_exception(bench.engine.jobs[id], "cancel", 0, "")
    await bench.until(lambda: id not in bench.engine.jobs)
    await bench.settle()


def state(bench: Bench, id: int) -> State:
    """The state of an active job."""
    return bench.engine.jobs[id].state


async def events(bench: Bench, id: int) -> list[tuple[str, dict[str, Any]]]:
    """The durable events of a job, active or not."""
    await bench.settle()
    if id in bench.engine.jobs:
        log = bench.engine.jobs[id].eventlog
    else:
        row = await bench.store.find(id)
        assert isinstance(row, InactiveRow)
        log = row.eventlog
    return [(entry.name, dict(entry.context or {})) for entry in eventlog.decode(log)]
