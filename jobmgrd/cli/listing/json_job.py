"""A job as a JSON object, with the keys of flux jobs --json."""

from typing import Any, Final

from jobmgrd.cli.job import ending
from jobmgrd.cli.listing.fields import (
    Attributes,
    result_name,
    runtime,
    state_name,
    status,
)
from jobmgrd.cli.submission.dependency import shown
from jobmgrd.cli.words.users import username
from protocol import jobid

_EXCEPTION: Final = "exception_"


def as_object(job: Attributes, now: float) -> dict[str, Any]:
    """All that is known of a job: its attributes, with names for numbers, and what follows."""
    found = {name: value for name, value in job.items() if not name.startswith(_EXCEPTION)}
    derived = {
        "jobid": jobid.encode(job["id"]),
        "state": state_name(job),
        "status": status(job),
        "result": result_name(job),
        "returncode": ending.returncode(job),
        "runtime": runtime(job, now),
        "username": username(job["userid"]) if "userid" in job else "",
        "dependencies": [shown(item, now) for item in job.get("dependencies", ())] or "",
    }
    exception = {
        name.removeprefix(_EXCEPTION): value
        for name, value in job.items()
        if name.startswith(_EXCEPTION)
    }
    found |= derived
    kept = {name: value for name, value in found.items() if value != "" and name != "exception"}
    if not kept["runtime"]:
        del kept["runtime"]
    return {**kept, "exception": {"occurred": False, **exception}}
