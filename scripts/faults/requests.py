"""Good requests of every kind, which the fuzz command then changes.

They concern jobs, queues and nodes of their own, and what they change for all (the configuration,
queues, drains) the witness undoes after each turn.
"""

import json
import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from protocol import jobid
from protocol.jobspec import from_command, set_attribute
from protocol.signature import wrap
from scripts.faults.settings import variant
from scripts.faults.values import wrong

Asked = tuple[str, Mapping[str, Any] | bytes]

EVERYBODY: Final = 2**32 - 1
PENDING_OR_RUNNING: Final = 126
SERVICES: Final = ("broker", "job-manager", "job-list", "job-info", "job-ingest", "resource", "log")
ATTRS: Final = ["all", "name", "state", "annotations", "t_run", "nodelist"]
LISTED: Final = {"and": [{"states": ["inactive"]}, {"not": [{"name": ["a", "b"]}]}]}
PLACED: Final = {"and": [{"properties": ["fuzz"]}, {"not": [{"hostlist": ["fuzz[0-1]"]}]}]}
STREAMS: Final = frozenset(
    {
        "job-manager.events-journal",
        "job-manager.purge-log",
        "job-info.eventlog-watch",
        "job-info.update-watch",
        "job-list.job-stats",
        "log.dmesg",
        "groups.get",
    }
)


def jobspec(duration: str = "1ms", queue: str = "") -> dict[str, Any]:
    """A job that touches nothing; one of duration "0" ends when it is canceled."""
    spec: dict[str, Any] = from_command(["simulated"], cwd="/", queue=queue or None)
    set_attribute(spec, "system.exec.test.run_duration", duration)
    return spec


def real(command: str) -> dict[str, Any]:
    """A job with processes, which write nothing anywhere."""
    options = {
        "cpu-affinity": "map:0;0x1",
        "exit-timeout": "1s",
        "rlimit": {"core": 0},
        "signal": {"signum": 10, "timeleft": 1.0},
        "taskmap": {"scheme": "cyclic", "value": 2},
        "umask": "077",
    }
    files = {"a": {"mode": 33188, "data": "eA==", "encoding": "base64"}}
    return from_command(
        [command],
        num_tasks=2,
        num_nodes=2,
        duration=60.0,
        cwd="/",
        environment={"A": "b"},
        attributes={"shell.options": options, "files": files},
    )


def requests(dice: random.Random, ids: Sequence[int]) -> Sequence[Asked]:
    """One of each kind; `ids` are those of jobs that may come to harm."""

    def one() -> dict[str, Any]:
        return {"id": dice.choice(ids)}

    dependent = jobspec()
    set_attribute(dependent, "dependencies", [{"scheme": "afterany", "value": str(ids[0])}])
    set_attribute(dependent, "constraints", PLACED)
    return [
        ("job-ingest.submit", {"jobspec": jobspec(), "urgency": 16, "flags": 0}),
        ("job-ingest.submit", {"jobspec": dependent, "urgency": 5, "flags": 4}),
        ("job-ingest.submit", {"jobspec": real("/bin/true"), "urgency": 16, "flags": 8}),
        ("job-ingest.submit", {"J": _signed(dice), "urgency": 16, "flags": 0}),
        *_about_jobs(one),
        *_history(one, ids),
        *_lists(one),
        *_switches(dice),
        *_broker(dice, ids),
    ]


def _signed(dice: random.Random) -> str:
    """A jobspec as flux sends it: what is wrong within has to be so before it is signed."""
    spec = jobspec()
    if dice.random() < 0.7:  # noqa: PLR2004 - most of them
        spec = wrong(dice, spec)
    data = bytearray(json.dumps(spec, default=str).encode())
    if dice.random() < 0.5:  # noqa: PLR2004 - half of them
        at = dice.randrange(len(data) + 1)
        data[at : at + dice.randrange(2)] = dice.choice((b"\xff", b"\\ud800", b"9" * 30, b"[" * 40))
    return wrap(bytes(data), os.geteuid())


def _about_jobs(one: Any) -> Sequence[Asked]:  # noqa: ANN401 - gives {"id": ID}
    everybody = {"dry_run": False, "userid": EVERYBODY}
    return [
        ("job-manager.raise", {**one(), "type": "cancel", "severity": 0, "note": "n"}),
        ("job-manager.raise", {**one(), "type": "note", "severity": 5, "note": "n"}),
        (
            "job-manager.raiseall",
            {**everybody, "states": PENDING_OR_RUNNING, "severity": 3, "type": "note", "note": ""},
        ),
        ("job-manager.kill", {**one(), "signum": 15}),
        ("job-manager.killall", {**everybody, "signum": 10}),
        ("job-manager.urgency", {**one(), "urgency": 5}),
        ("job-manager.memo", {**one(), "memo": {"a": 1}, "volatile": False}),
        ("job-manager.update", {**one(), "updates": {"attributes.system.duration": 5.0}}),
        (
            "job-manager.update",
            {
                **one(),
                "updates": {
                    "attributes.system.queue": "fuzz",
                    "attributes.system.constraints": PLACED,
                    "attributes.system.job.name": "n",
                },
            },
        ),
        ("job-manager.wait", one()),
        ("job-manager.pin", {**one(), "reason": "r", "until": 0.0}),
        ("job-manager.unpin", one()),
        ("job-manager.pin-list", {}),
        ("job-manager.housekeeping-kill", {"signum": 15, "jobid": one()["id"], "ranks": "0-3"}),
    ]


def _history(one: Any, ids: Sequence[int]) -> Sequence[Asked]:  # noqa: ANN401 - gives {"id": ID}
    return [
        ("job-manager.retention", one()),
        ("job-manager.purge", {"age_limit": -1.0, "num_limit": -1, "batch": 10, "force": False}),
        ("job-manager.purge", {"num_limit": 150, "batch": 10, "force": True, "attrs": ["name"]}),
        ("job-manager.purge-id", {"ids": list(ids), "force": False}),
        ("job-manager.purge-id", {**one(), "force": True}),
        ("job-manager.purge-log", {"since": 0, "follow": False}),
        ("job-manager.purge-log", {"since": 1, "follow": True}),
        ("job-manager.purge-log-cancel", {"matchtag": 3}),
        ("job-manager.totals", {}),
        ("job-manager.orphans", {}),
        ("job-manager.history.get", {"slice": "[:3]"}),
        ("job-manager.events-journal", {"full": True, "allow": {"submit": 1}, "purge": True}),
        ("job-manager.events-journal", {"deny": {"clean": 1}, "since": "a.5"}),
        ("job-manager.events-journal-cancel", {"matchtag": 3}),
    ]


def _lists(one: Any) -> Sequence[Asked]:  # noqa: ANN401 - gives {"id": ID}
    return [
        ("job-manager.getattr", {**one(), "attrs": ["jobspec", "R", "eventlog"]}),
        ("job-manager.getinfo", {}),
        ("job-manager.list", {"max_entries": 5}),
        ("job-manager.stats-get", {}),
        ("job-list.list", {"max_entries": 5, "attrs": ATTRS, "constraint": LISTED}),
        ("job-list.list-id", {**one(), "attrs": ATTRS, "state": 64}),
        ("job-list.list-attrs", {}),
        ("job-list.job-stats", {}),
        ("job-info.lookup", {**one(), "keys": ["jobspec", "eventlog", "R"], "flags": 3}),
        ("job-info.eventlog-watch", {**one(), "path": "eventlog", "flags": 2}),
        ("job-info.eventlog-watch", {**one(), "path": "guest.output", "flags": 1}),
        ("job-info.eventlog-watch-cancel", {"matchtag": 5}),
        ("job-info.update-lookup", {**one(), "key": "R", "flags": 0}),
        ("job-info.update-watch", {**one(), "key": "jobspec", "flags": 0}),
        ("job-info.update-watch-cancel", {"matchtag": 7}),
    ]


def _switches(dice: random.Random) -> Sequence[Asked]:
    named = {"name": dice.choice(("fuzz", "good", "more")), "all": False}
    every: Mapping[str, Any] = dice.choice((named, {"all": True}))
    targets = dice.choice(("0-4", "good", "fuzz[0-3]", "1,3"))
    return [
        ("config.get", {}),
        ("config.load", variant(dice)),
        ("config.load", variant(dice)),
        ("config.reload", {}),
        ("job-manager.queue-list", {}),
        ("job-manager.queue-status", {"name": "fuzz"}),
        ("job-manager.queue-enable", {**every, "enable": False, "reason": "r"}),
        ("job-manager.queue-enable", {**every, "enable": True}),
        ("job-manager.queue-start", {**every, "start": False, "reason": "r"}),
        ("job-manager.queue-start", {**every, "start": True, "nocheckpoint": True}),
        ("job-manager.drain", {"name": "fuzz"}),
        ("job-manager.idle", {}),
        ("job-manager.alloc-query", {}),
        ("job-manager.jobtap", {"query_only": True}),
        ("job-manager.jobtap", {"load": "user-limits", "conf": {}}),
        ("job-manager.jobtap-query", {"name": "user-limits"}),
        ("resource.drain", {"targets": targets, "reason": "r", "mode": "update"}),
        ("resource.undrain", {"targets": targets, "mode": "overwrite"}),
        ("resource.status", {}),
        ("resource.sched-status", {}),
        ("feasibility.check", {"jobspec": jobspec()}),
    ]


def _broker(dice: random.Random, ids: Sequence[int]) -> Sequence[Asked]:
    service = dice.choice(SERVICES)
    return [
        ("heartbeat.stats-get", {}),
        ("health.check", {}),
        ("attr.get", {"name": "size"}),
        ("attr.list", {}),
        ("module.list", {}),
        ("event.subscribe", {"topic": "x"}),
        ("event.subscribe", {"topic": "job-"}),
        ("event.unsubscribe", {"topic": "x"}),
        ("event.publish", {"topic": "fuzz", "flags": 0, "payload": "e30="}),
        ("kvs.lookup", {"key": f"job.{ids[0]}.jobspec", "namespace": "primary", "flags": 0}),
        ("kvs.lookup", {"key": "resource.R", "namespace": "primary", "flags": 0}),
        ("log.append", b"<6>1 - - x - - - fuzz"),
        ("log.dmesg", {"follow": dice.random() < 0.5, "nobacklog": False}),  # noqa: PLR2004 - half
        ("log.dmesg-cancel", {"matchtag": 1}),
        ("groups.get", {"name": "broker.online"}),
        ("state-machine.get", {}),
        ("connector-local.stats-get", {}),
        (f"{service}.ping", {"seq": 1}),
        (f"{service}.rusage", {"who": "self"}),
        (f"{service}.stats-get", {}),
        *(
            (
                f"{os.geteuid()}-shell-{jobid.encode(id, 'f58plain')}.stdin",
                {"stream": "stdin", "rank": "0", "data": "x", "eof": dice.random() < 0.1},  # noqa: PLR2004 - seldom
            )
            for id in ids[:4]
        ),
        ("attr.set", {"name": "x", "value": "y"}),
        ("attr.rm", {"name": "x"}),
        (f"module.{dice.choice(('load', 'remove', 'reload', 'debug'))}", {"name": "job-manager"}),
        ("log.clear", {}),
        ("sched.resource-status", {}),
        ("job-manager.resource-status", {}),
        ("job-manager.stats", {}),
        ("job-list.list-cancel", {"matchtag": 1}),
        ("job-list.job-stats-cancel", {"matchtag": 1}),
        ("groups.get-cancel", {"matchtag": 1}),
        (f"{service}.stats-clear", {}),
        ("disconnect", {}),
    ]
