"""jobmgr job retention: why a job is still kept, and when it will go."""

import json
import time
from collections.abc import Iterator
from typing import Final

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.text_table import printable
from jobmgrd.cli.words.fsd import brief
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.users import username
from jobmgrd.cli.words.when import iso
from protocol.payload import convert
from protocol.retention import RetentionReply

_UNLIMITED: Final = -1


@click.command(
    epilog=examples(
        "jobmgr job retention ƒ5zHnEx",
        "jobmgr job retention --json ƒ5zHnEx | jq .goes",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON: seconds and UNIX time.")
@click.argument("id_", type=JOBID, metavar="JOBID")
def retention(id_: int, *, as_json: bool) -> None:
    """Say by which rule a job is kept, how many go before it, and when it will go itself."""
    with connect() as client, about(f"job {spelled(id_)}"):
        reply = client.rpc("job-manager.retention", {"id": id_})
    if as_json:
        click.echo(json.dumps(reply))
        return
    for name, text in _rows(convert(reply, RetentionReply), time.time()):
        click.echo(f"{name + ':':<9}{printable(text)}")


def _rows(reply: RetentionReply, now: float) -> Iterator[tuple[str, str]]:
    yield "job", f"{spelled(reply.id)}, {reply.state}"
    if (
        reply.pin is None or reply.rule != "pinned"
    ):  # otherwise the pin says it, with readable times
        yield "why", reply.why
    if reply.rule is not None:
        yield "rule", reply.rule
    if reply.age is not None:
        yield "age", f"{brief(reply.age)} since it ended"
    if reply.place is not None:
        yield "place", f"{reply.place} of the {reply.count} jobs of this rule go before it"
    if reply.age_limit is not None and reply.num_limit is not None:
        yield "limits", f"age {_limit(reply.age_limit)}, number {_limit(reply.num_limit)}"
        yield "goes", ", or ".join(_going(reply, now)) or "never, as things are"
    if reply.pin is not None:
        pin = reply.pin
        until = f"until {iso(pin.until)}" if pin.until else "until it is unpinned"
        yield "pin", f"by {username(pin.userid)} at {iso(pin.t)}, {until}: {pin.reason}"


def _going(reply: RetentionReply, now: float) -> Iterator[str]:
    """When it goes by age, and when by number; whichever is first."""
    if reply.goes is not None:
        left = reply.goes - now
        yield f"at {iso(reply.goes)}, in {brief(left)}" if left > 0 else "with the next purge"
    if reply.beyond is not None:
        jobs = f"{reply.beyond} more job{'' if reply.beyond == 1 else 's'}"
        yield f"after {jobs} ended" if reply.beyond > 0 else "with the next purge"


def _limit(limit: float) -> str:
    if limit == _UNLIMITED:
        return "unlimited"
    return str(limit) if isinstance(limit, int) else brief(limit)
