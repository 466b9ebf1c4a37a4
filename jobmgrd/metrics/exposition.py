"""The daemon's numbers as Prometheus reads them: gathered when asked, kept nowhere.

Every name begins with jobmgrd_, but for those of the process, which are Prometheus's own.
etc/grafana-dashboard.json draws them; docs/metrics.md lists them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from jobmgrd import VERSION
from jobmgrd.histogram import BOUNDS, Histogram
from jobmgrd.metrics.rpcs import Meter
from jobmgrd.store.port import StoreStats
from protocol.job_list import JobStats
from protocol.job_list import StatsReply as JobCounts
from protocol.job_manager import StatsReply

NO_QUEUE: Final = ""


class Traffic(Struct, frozen=True):
    """What sockets and router count."""

    topics: Mapping[str, Meter]
    streams: int  # open now
    malformed: int
    dropped: int  # responses to peers that were gone or did not read
    published: int
    overflows: int  # how often a subscriber that does not read began to lose events
    heartbeats: int


class Sample(Struct, frozen=True):
    """All that is told at one moment."""

    jobs: JobCounts
    stats: StatsReply
    store: StoreStats
    traffic: Traffic


class Exposition:
    """Renders samples in Prometheus' text format."""

    def __init__(self) -> None:
        self._sample: Sample | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self, sample: Sample) -> tuple[str, bytes]:
        """The content type and the text."""
        self._sample = sample
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector; without a sample there is nothing yet."""
        if (sample := self._sample) is None:
            return
        info = InfoMetricFamily("jobmgrd", "The daemon that runs.")
        info.add_metric([], {"version": VERSION})
        yield info
        yield from _jobs(sample.jobs)
        yield from _rpcs(sample.traffic)
        yield _refused(sample.stats.refused)
        yield from _store(sample.store)
        yield from _purges(sample.stats)
        yield from _events(sample)
        if sample.stats.archive is not None:
            archive = sample.stats.archive
            yield _counter("archived_jobs", "Jobs written to the archive.", archive.archived)
            yield _counter("archive_failures", "Tries to archive that failed.", archive.failures)
            yield _gauge("archive_bytes", "Size of the archive on disk.", archive.size)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"jobmgrd_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"jobmgrd_{name}", text, value=value)


def _by_queue(counts: JobCounts) -> Iterator[tuple[str, JobStats]]:
    """The counts of each queue; those of jobs without one are what is left of all."""
    rest = {"states": dict(counts.job_states), "totals": dict(counts.totals)}
    for queue in counts.queues:
        for name, n in queue.job_states.items():
            rest["states"][name] -= n
        for name, n in queue.totals.items():
            rest["totals"][name] -= n
        yield queue.name, queue
    yield NO_QUEUE, JobStats(rest["states"], 0, 0, 0, 0, 0, rest["totals"])


def _jobs(counts: JobCounts) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("jobmgrd_jobs", "Jobs by state and queue.", labels=["state", "queue"])
    ended = CounterMetricFamily(
        "jobmgrd_jobs_ended", "Jobs that ever ended, purged or not.", labels=["result", "queue"]
    )
    for queue, stats in _by_queue(counts):
        for state, n in stats.job_states.items():
            if state != "total":
                jobs.add_metric([state, queue], n)
        for result, n in stats.totals.items():
            ended.add_metric([result, queue], n)
    yield jobs
    yield ended


def _rpcs(traffic: Traffic) -> Iterator[Metric]:
    requests = CounterMetricFamily("jobmgrd_rpc_requests", "Requests.", labels=["topic"])
    errors = CounterMetricFamily("jobmgrd_rpc_errors", "Requests refused.", labels=["topic"])
    seconds = HistogramMetricFamily(
        "jobmgrd_rpc_seconds", "From a request's arrival to its answer.", labels=["topic"]
    )
    for topic, meter in traffic.topics.items():
        requests.add_metric([topic], meter.requests)
        errors.add_metric([topic], meter.errors)
        if any(meter.latency.counts):  # not a topic of streams
            seconds.add_metric([topic], _buckets(meter.latency), meter.latency.seconds)
    yield from (requests, errors, seconds)
    yield _gauge("rpc_streams", "Streams that are open.", traffic.streams)
    yield _counter("rpc_malformed", "Messages that are no requests.", traffic.malformed)
    text = "Responses to clients that had gone or did not read."
    yield _counter("rpc_dropped", text, traffic.dropped)


def _refused(counts: Mapping[str, int]) -> Metric:
    refused = CounterMetricFamily(
        "jobmgrd_refused", "How often a limit was met, or a peer not let in.", labels=["limit"]
    )
    for limit, n in counts.items():
        refused.add_metric([limit], n)
    return refused


def _buckets(histogram: Histogram) -> Sequence[tuple[str, float]]:
    """Prometheus's buckets: each counts all that is not above its bound."""
    buckets, sum_ = [], 0
    for bound, n in zip([*map(str, BOUNDS), "+Inf"], histogram.counts, strict=True):
        sum_ += n
        buckets.append((bound, float(sum_)))
    return buckets


def _store(store: StoreStats) -> Iterator[Metric]:
    seconds = HistogramMetricFamily("jobmgrd_store_commit_seconds", "What a commit takes.")
    seconds.add_metric([], _buckets(store.commit_times), store.commit_times.seconds)
    yield seconds
    text = "Writes asked for; how many share a commit is the ratio."
    yield _counter("store_writes", text, store.writes)
    yield _gauge("store_bytes", "Size of the store on disk.", store.size)
    yield _gauge("store_free_bytes", "Of these, what holds nothing and goes back.", store.free)


def _purges(stats: StatsReply) -> Iterator[Metric]:
    purge = stats.purge
    yield _counter("purged_jobs", "Jobs ever purged.", purge.total)
    yield _counter("purge_batches", "Batches ever purged.", purge.seq)
    text = "Eligible jobs that the last run left."
    yield _gauge("purge_backlog_jobs", text, purge.backlog)
    text = "How long ago the oldest of them ended."
    yield _gauge("purge_lag_seconds", text, purge.lag)
    yield _gauge("purge_jobs_per_second", "How fast the last run purged.", purge.rate)
    yield _gauge("purge_blocked", "1 if something keeps jobs from going.", bool(purge.blocked))
    yield _gauge("tombstones", "Purged jobs that are still known.", purge.tombstones)
    yield _gauge("pinned_jobs", "Jobs that a pin holds.", purge.pins)
    yield _gauge("orphans", "Records that were put aside.", stats.orphans)


def _events(sample: Sample) -> Iterator[Metric]:
    traffic = sample.traffic
    yield _counter("events_published", "Events published.", traffic.published)
    text = "How often a subscriber that does not read began to lose events."
    yield _counter("events_overflows", text, traffic.overflows)
    yield _counter("heartbeats", "Pulses of the heartbeat.", traffic.heartbeats)
    journal = sample.stats.journal
    yield _counter("journal_events", "Events of jobs.", journal["events"])
    yield _gauge("journal_consumers", "Who follows the journal.", journal["listeners"])
