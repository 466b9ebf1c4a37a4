"""What a client that asks one thing at a time is left beside one that nobody wants.

The limit beside each figure is the same client alone, right before; and a process that is merely
busy says what the machine's own scheduler takes: with two cores, that is not nothing.
"""

from collections.abc import Sequence

from scripts.benchmark.daemon import Daemon
from scripts.benchmark.figures import Reading
from scripts.benchmark.jobs import simulated
from scripts.benchmark.run import Case, Part, Run
from scripts.benchmark.worker import Worker

TOPIC = "job-manager.getinfo"
KEPT = 300
"""Jobs that a large answer is made of."""
MANNERS = {
    "busy": "a process that only computes",
    "flood": "a flood of small requests",
    "local": "a flood on the local connector",
    "garbage": "a flood of what is no message",
    "streams": "streams, opened and ended",
    "deaf": "large answers that are never read",
    "submits": "a flood of submits, which is no bad manner",
}


QUICK = ("busy", "flood")


def cases(run: Run) -> Sequence[Case]:
    """One daemon for all."""
    manners = QUICK if run.quick else tuple(MANNERS)
    return [
        Case("manners", lambda run: measure(run, manners, 0.3 if run.quick else 1.0), slow=True)
    ]


def measure(run: Run, manners: Sequence[str], seconds: float) -> Sequence[Reading]:
    """The polite client alone and beside each of the others, in turns."""
    readings: list[Reading] = []
    with run.state() as state, Daemon(state) as daemon:
        with daemon.client() as client:
            for _ in range(KEPT if "deaf" in manners else 0):
                client.rpc("job-ingest.submit", {"jobspec": simulated()})
        endpoint = f"ipc://{daemon.uri}/rpc"
        with Worker("polite", endpoint=endpoint, topic=TOPIC, seconds=seconds) as polite:
            polite.read()
            for manner in manners:
                about = MANNERS[manner]
                alone = f"alone before {about}"
                readings.append(Reading(alone, _rate(polite), "rpc/s"))
                with Worker("rude", uri=daemon.uri, manner=manner) as rude:
                    rude.read()
                    readings.append(Reading(f"beside {about}", _rate(polite), "rpc/s", alone))
    return readings


def _rate(polite: Worker) -> float:
    polite.go()
    return float(polite.read()["rate"])


PART = Part(
    "neighbours",
    "a client that asks one thing at a time, beside others that do not behave",
    cases,
    bound=80,
    quick_bound=4,
)
