"""Requests to ask every topic of the router with, and what SECURITY.md says of their answers."""

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from scripts.topics import BEGIN, END, EVERYWHERE

PAGE: Final = Path(__file__).parent.parent / "SECURITY.md"
MINE: Final = 99
"""The user whose jobs the requests are about, unless it is given."""

ABOUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "job-info.eventlog-watch": {"path": "eventlog", "flags": 0},
    "job-info.lookup": {"keys": ["R"], "flags": 0},
    "job-info.update-lookup": {"key": "R", "flags": 0},
    "job-info.update-watch": {"key": "R", "flags": 0},
    "job-list.list-id": {"attrs": ["userid"]},
    "job-manager.getattr": {"attrs": ["jobspec"]},
    "job-manager.kill": {"signum": 18},
    "job-manager.killall": {"signum": 18, "userid": MINE, "dry_run": True},
    "job-manager.memo": {"memo": {"key": "value"}},
    "job-manager.raise": {"type": "note", "severity": 7},
    "job-manager.raiseall": {
        "type": "note", "severity": 7, "userid": MINE, "states": 127, "dry_run": True
    },
    "job-manager.update": {"updates": {"attributes.system.job.name": "other"}},
    "job-manager.urgency": {"urgency": 8},
}  # fmt: skip
"""What a request about a job says besides its id."""

LATE: Final = {"job-manager.urgency": errno.EINVAL}
"""What is answered those who may, because the job runs already."""

UNSCOPED: Final = frozenset({"job-ingest.submit", "job-list.list", "job-manager.history.get"})
"""Topics with a scope whose requests name no job."""


def table() -> dict[str, dict[str, str]]:
    """What SECURITY.md says: topic -> owner, admin, guest -> the words in its column."""
    text = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    said = {}
    for line in text.splitlines()[2:]:
        topics, *words = [cell.strip() for cell in line.strip("|").split(" | ")]
        for topic in re.findall(r"`([^`]+)`", topics):
            said[topic] = dict(zip(("owner", "admin", "guest"), words, strict=True))
    return said


def said_of(said: Mapping[str, Mapping[str, str]], topic: str, who: str) -> str:
    """What the table, and the prose around it, say of a topic to the owner, an admin or a guest."""
    topic = topic.removesuffix("-get") if topic == "job-manager.stats-get" else topic
    if topic in said:
        return said[topic][who]
    assert topic.endswith(EVERYWHERE), f"{topic} is not in the table"
    return "no" if topic.endswith(".stats-clear") and who != "owner" else "yes"
