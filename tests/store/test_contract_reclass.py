"""What every store promises of classing jobs anew."""

import asyncio
from collections import Counter

import pytest

from jobmgrd.jobs.retention import HELD
from jobmgrd.store.port import (
    Changes,
    Classify,
    Facts,
    Store,
)
from tests.store.sample import ended, purge, these


class TestReclass:
    """Jobs move to the classes of rules that changed."""

    async def classed(self, store: Store, classify: Classify, limit: int = 7) -> int:
        """Class all jobs anew; in how many calls."""
        after: int | None = 0
        calls = 0
        while after is not None:
            after = await store.reclass(after, limit, classify)
            calls += 1
        return calls

    async def test_all_jobs_are_told_apart_by_their_facts(self, store: Store) -> None:
        """Each is asked about once; rows, queues and counts agree afterwards."""
        rows = [ended(n, result=1 + n % 2, queue="q" * (n % 3)) for n in range(1, 51)]
        await store.write(Changes(ended=rows))
        await purge(store, these(*range(1, 11)))
        seen: list[Facts] = []

        def classify(facts: Facts) -> int:
            seen.append(facts)
            return facts.result + 2 * (facts.queue == "qq")

        assert await self.classed(store, classify) >= 40 // 7
        assert sorted(seen, key=lambda facts: facts.id) == [
            Facts(row.id, row.result, row.queue, row.userid) for row in rows[10:]
        ]
        expected = {facts.id: facts.result + 2 * (facts.queue == "qq") for facts in seen}
        kept = await store.rows(range(1, 51))
        assert {row.id: row.rule for row in kept} == expected
        assert await store.inspect(lambda h: dict(h.counts())) == Counter(expected.values())
        assert await store.inspect(lambda h: [job.id for job in h.oldest(4, 99)]) == [
            id for id, rule in expected.items() if rule == 4
        ]

    async def test_held_jobs_stay_held(self, store: Store) -> None:
        """They are not even asked about."""
        await store.write(Changes(ended=[ended(1, rule=HELD), ended(2)]))
        asked: list[int] = []

        def classify(facts: Facts) -> int:
            asked.append(facts.id)
            return 5

        await self.classed(store, classify)
        assert asked == [2]
        assert store.stats().held == 1
        assert await store.inspect(lambda h: dict(h.counts())) == {5: 1}

    async def test_an_exception_of_classify_is_its_callers(self, store: Store) -> None:
        """Nothing has moved."""

        def broken(facts: Facts) -> int:
            raise LookupError(facts.id)

        await store.write(Changes(ended=[ended(1)]))
        with pytest.raises(LookupError):
            await store.reclass(0, 9, broken)
        assert await store.inspect(lambda h: dict(h.counts())) == {0: 1}

    async def test_jobs_may_end_and_go_meanwhile(self, store: Store) -> None:
        """Those that were there and stayed are classed, and the counts are right."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 101)]))

        async def others() -> None:
            for n in range(101, 131):
                await store.write(Changes(ended=[ended(n, rule=3)]))
                await purge(store, these(n - 100))

        await asyncio.gather(others(), self.classed(store, lambda _: 3))
        assert await store.inspect(lambda h: dict(h.counts())) == {3: 100}
        assert {row.rule for row in await store.rows(range(131))} == {3}
