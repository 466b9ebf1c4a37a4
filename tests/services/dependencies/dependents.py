"""Jobs that depend on others: how they are submitted, kept and answered."""

import json

from jobmgrd.store.port import ActiveRow
from protocol import eventlog
from tests.services.bench import Bench
from tests.services.submitting import (
    events,
    request,
)

HOLD = 0
SCHEMES = ("afterstart", "afterany", "afterok", "afternotok", "afterexcept")


async def exception(bench: Bench, id: int) -> str:
    """The note of the dependency exception that ended a job."""
    await bench.until(lambda: id not in bench.engine.jobs)
    (context,) = [c for name, c in await events(bench, id) if name == "exception"]
    assert (context["type"], context["severity"]) == ("dependency", 0)
    return str(context["note"])


def waiting_row(
    id: int, target: int, scheme: str = "afterany", name: str = "after-finish"
) -> ActiveRow:
    """A job in DEPEND, as it is kept."""
    body = request(f"{scheme}:{target}")["jobspec"]
    log = eventlog.entry_line(1.0, "submit", {"userid": 7, "urgency": 16, "flags": 0, "version": 1})
    log += eventlog.entry_line(1.0, "dependency-add", {"description": f"{name}={target}"})
    log += eventlog.entry_line(1.0, "validate")
    return ActiveRow(id, 7, json.dumps(body).encode(), None, log)
