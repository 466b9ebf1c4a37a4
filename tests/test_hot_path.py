"""The hot path stays short: how many of our functions one RPC and one job's life call.

Times differ from machine to machine, and what the interpreter does for a line from version to
version. The calls of our own functions are the same in every run, and nearly all that is slow in
Python begins with one: a layer that is put in between, a value that is encoded twice, a job that is
written once more than it has to be. What is inside a function, scripts/bench measures.
"""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

import jobmgrd
from jobmgrd.exec.port import Started
from jobmgrd.metrics.rpcs import RpcMeters
from jobmgrd.services.getattr import Getattr
from protocol import payload
from protocol.jobspec import from_command
from protocol.message import Request, Response, decode
from tests.services.bench import OWNER, Bench, Peer

ROOT: Final = Path(jobmgrd.__file__).parents[1]
OURS: Final = (str(ROOT / "jobmgrd"), str(ROOT / "protocol"))
INLINED: Final = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})
"""No calls any more from Python 3.12 on."""

RPC_CALLS: Final = 23
JOB_CALLS: Final = 430
BATCH_CALLS: Final = 345
"""A twentieth more than was measured when this was written: 22, 414 and 330."""
BATCH: Final = 64


class Calls:
    """The calls of our functions while it counts, by where they are."""

    def __init__(self) -> None:
        self.by_function: Counter[str] = Counter()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is called within."""
        before = sys.getprofile()
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _note(self, frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS) and code.co_name not in INLINED:
            where = Path(code.co_filename).relative_to(ROOT)
            self.by_function[f"{where}: {code.co_qualname}"] += 1

    def check(self, ceiling: int, times: int = 1) -> None:
        """Fail, and say how to look, if one of so many took more calls than the ceiling."""
        calls = self.by_function.total() / times
        listed = "\n".join(
            f"{n / times:8.2f}  {function}" for function, n in self.by_function.most_common()
        )
        assert calls <= ceiling, (
            f"the hot path has become longer: {calls:.1f} calls of our functions, at most {ceiling}"
            f" are expected.\n{listed}\nCompare this list with that of the last good commit (set"
            " the ceiling to 0 there to see it). If the calls are worth it, `scripts/bench"
            " throughput rpc --against FILE` says what they cost; then raise the ceiling."
        )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A daemon without sockets, with the journal listened to."""
    made = Bench(cores=BATCH)
    await made.boot()
    made.router.add(Getattr(made.engine, made.store))
    made.send(Peer(), "job-manager.events-journal", {}, stream=True)
    await made.settle()
    yield made
    await made.store.close()


def frames_of(topic: str, value: dict[str, object] | None, matchtag: int = 1) -> list[bytes]:
    """A request as a ROUTER hands it over."""
    body = None if value is None else payload.encode(value)
    return [b"peer", *Request(topic, body, matchtag=matchtag).frames()]


def dispatch(bench: Bench, peer: Peer, frames: list[bytes]) -> None:
    """What a transport does with a message."""
    message = decode(frames, OWNER)
    assert isinstance(message, Request)
    bench.router.dispatch(message, peer)


async def test_a_small_rpc_takes_few_calls(bench: Bench) -> None:
    """From the frames of a request to those of its response."""
    peer, frames = Peer(), frames_of("job-manager.getinfo", None)
    calls = Calls()
    with calls.counted():
        dispatch(bench, peer, frames)
        out = peer.received[0].frames()
    answer = decode(out)
    assert isinstance(answer, Response)
    assert payload.decode(answer.payload) == {"max_jobid": 0}
    calls.check(RPC_CALLS)


async def test_metrics_add_three_calls_to_an_rpc(bench: Bench) -> None:
    """One when it comes, two when it is answered; none if nobody asked for metrics."""
    bench.router.meters = meters = RpcMeters(bench.router.table)
    peer, frames = Peer(), frames_of("job-manager.getinfo", None)
    calls = Calls()
    with calls.counted():
        dispatch(bench, peer, frames)
        peer.received[0].frames()
    assert sum(meters.asked()["job-manager.getinfo"].latency.counts) == 1
    metered = [
        n for where, n in calls.by_function.items() if "metrics" in where or "histogram" in where
    ]
    assert sum(metered) == 3
    calls.check(RPC_CALLS + 4)  # and the topic is asked for once more


@pytest.mark.parametrize(("jobs", "ceiling"), [(1, JOB_CALLS), (BATCH, BATCH_CALLS)])
async def test_the_life_of_a_job_takes_few_calls(bench: Bench, jobs: int, ceiling: int) -> None:
    """From the frames of its submit to its row in the history; less, when jobs share commits."""
    test = {"system.exec.test.run_duration": "1s"}
    request: dict[str, object] = {"jobspec": from_command(["true"], attributes=test)}
    submits = [frames_of("job-ingest.submit", request, n + 1) for n in range(jobs)]
    peer, calls = Peer(), Calls()
    with calls.counted():
        for frames in submits:
            dispatch(bench, peer, frames)
        await bench.until(lambda: len(bench.executor.attempts) == jobs)
        for id in list(bench.executor.attempts):
            bench.executor.tell(Started(id))
        await bench.until(lambda: len(peer.received) == jobs)
        await bench.settle()
        for id in list(bench.executor.attempts):
            bench.executor.finish(id)
        await bench.until(lambda: not bench.engine.jobs)
    assert bench.store.stats().inactive == jobs
    calls.check(ceiling, jobs)
