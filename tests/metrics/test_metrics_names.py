"""The dashboard and the documentation speak of the metrics that there are, and of all of them."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from jobmgrd.histogram import Histogram
from jobmgrd.metrics.exposition import Exposition, Sample, Traffic
from jobmgrd.metrics.rpcs import Meter
from jobmgrd.store.port import StoreStats
from protocol.job_list import QueueStats
from protocol.job_list import StatsReply as JobCounts
from protocol.job_manager import ArchiveStats, PurgeStats, StatsReply
from protocol.job_manager import StoreStats as StoreReply

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "etc" / "grafana-dashboard.json").read_text())
NAME = re.compile(r"\b(?:jobmgrd|process)_[a-z_]+")
NONE = dict.fromkeys(("depend", "priority", "sched", "run", "cleanup", "inactive", "total"), 0)


def sample() -> Sample:
    """Three jobs that ended, two of them in a queue; everything there is, is there."""
    meter = Meter()
    meter.requests = 3
    for seconds in (0.00005, 0.002, 99.0):
        meter.latency.observe(seconds)
    ended = {"completed": 2, "failed": 1, "canceled": 0, "timeout": 0}
    states = {**NONE, "inactive": 3, "total": 3}
    batch = QueueStats(
        job_states={**NONE, "inactive": 2, "total": 2},
        successful=2,
        failed=0,
        canceled=0,
        timeout=0,
        inactive_purged=0,
        totals={**ended, "failed": 0},
        name='ba"tch\n',
    )
    purge = PurgeStats(1, 2, 3.0, True, 4.0, 5, 6, 7.0, 8.0, "disk", 9, 10, False, "e")
    return Sample(
        jobs=JobCounts(states, 2, 1, 0, 0, 0, ended, queues=[batch]),
        stats=StatsReply(
            journal={"listeners": 1, "events": 30},
            active_jobs=0,
            inactive_jobs=3,
            max_jobid=1,
            housekeeping={},
            purge=purge,
            store=StoreReply(1, 0.1, 1, 1),
            archive=ArchiveStats("/a", 1, 0, "", 1),
            totals={},
            orphans=0,
            plugins=[],
            clock_jump=0.0,
            refused={"streams": 2, "keys": 1},
        ),
        store=StoreStats(3, 0, 0, 0, 1, 0.1, 4096, 0, writes=2, commit_times=Histogram()),
        traffic=Traffic({"a.topic": meter}, 0, 0, 0, 1, 0, 1),
    )


def rendered() -> str:
    """The text of that."""
    return Exposition().render(sample())[1].decode()


def names() -> set[str]:
    """The names of all samples, as PromQL knows them."""
    families = text_string_to_metric_families(rendered())
    found = {sample.name for family in families for sample in family.samples}
    return {name for name in found if not name.endswith("_created")}


def test_every_panel_draws_metrics_that_exist() -> None:
    """A name that was changed here is missed there."""
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for query in queries for name in NAME.findall(query)}
    used |= set(NAME.findall(DASHBOARD["templating"]["list"][1]["query"]))
    assert len(used) > 20
    assert used <= names()


def test_panels_do_not_overlap_and_are_described() -> None:
    """Each has a place and an id of its own, and says what it is about."""
    panels = DASHBOARD["panels"]
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)


def test_the_documentation_names_every_metric() -> None:
    """And no other."""
    documented = set(NAME.findall((ROOT / "docs" / "metrics.md").read_text()))
    suffix = re.compile(r"_(?:bucket|sum|count)$")
    ours = {suffix.sub("", name) for name in names() if name.startswith("jobmgrd_")}
    assert {name for name in documented if name.startswith("jobmgrd_")} == ours


def test_jobs_without_a_queue_are_what_the_queues_leave() -> None:
    """A queue's strange name is escaped, and is read back as it was."""
    families = {f.name: f for f in text_string_to_metric_families(rendered())}
    jobs = {
        (s.labels["state"], s.labels["queue"]): s.value for s in families["jobmgrd_jobs"].samples
    }
    assert jobs["inactive", 'ba"tch\n'] == 2
    assert jobs["inactive", ""] == 1
    ended = {
        (s.labels["result"], s.labels["queue"]): s.value
        for s in families["jobmgrd_jobs_ended"].samples
        if s.name.endswith("_total")
    }
    assert ended["failed", ""] == 1
    assert ended["failed", 'ba"tch\n'] == 0


def test_buckets_count_what_is_not_above_them() -> None:
    """What is beyond the last bound counts in +Inf alone."""
    families = {f.name: f for f in text_string_to_metric_families(rendered())}
    samples = families["jobmgrd_rpc_seconds"].samples
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert buckets["0.0001"] == 1
    assert buckets["0.001"] == 1
    assert buckets["0.0025"] == 2
    assert buckets["10.0"] == 2
    assert buckets["+Inf"] == 3
