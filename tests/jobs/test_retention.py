"""Which jobs go next, and how many: laws that hold for every history and policy."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmgrd.jobs.retention import (
    BATCH_MAX,
    DEFAULT,
    HELD,
    UNLIMITED,
    Candidate,
    Limits,
    Policy,
    count,
    select,
)

NOW = 100.0


class NaiveHistory:
    """A list of every kept job, searched from end to end."""

    def __init__(self, jobs: list[Candidate]) -> None:
        self.jobs = sorted(jobs)

    def counts(self) -> Mapping[int, int]:
        """The number of jobs in each class that has any."""
        rules = [job.rule for job in self.jobs if job.rule != HELD]
        return {rule: rules.count(rule) for rule in rules}

    def oldest(self, rule: int, limit: int) -> list[Candidate]:
        """At most `limit` jobs of a class, oldest first."""
        return [job for job in self.jobs if job.rule == rule][:limit]

    def count_before(self, rule: int, t: float) -> int:
        """How many jobs of a class have `t_clean` < t."""
        return sum(job.rule == rule and job.t_clean < t for job in self.jobs)

    def find(self, ids: Sequence[int]) -> list[Candidate]:
        """Those of these jobs that are inactive, held or not."""
        return [job for job in self.jobs if job.id in ids]


def naive(jobs: list[Candidate], policy: Policy) -> set[int]:
    """The jobs that must go: each rule over its class, then the global limits over the rest."""

    def over(queue: list[Candidate], limits: Limits) -> list[Candidate]:
        kept = limits.num if limits.num != UNLIMITED else len(queue)
        return [
            job
            for n, job in enumerate(queue)
            if n < len(queue) - kept or (limits.age >= 0 and NOW - job.t_clean > limits.age)
        ]

    rest = sorted(job for job in jobs if job.rule != HELD)
    gone: set[int] = set()
    for rule, limits in policy.rules.items():
        gone |= {job.id for job in over([job for job in rest if job.rule == rule], limits)}
    rest = [job for job in rest if job.id not in gone]
    return gone | {job.id for job in over(rest, policy.limits)}


def job(id: int, t_clean: float, rule: int = DEFAULT) -> Candidate:
    """An inactive job."""
    return Candidate(t_clean, id, rule)


ages = st.sampled_from([UNLIMITED, 0.0, 1.0, 50.0, 99.0, float("inf")])
limits = st.builds(Limits, age=ages, num=st.integers(-1, 12))
policies = st.builds(
    Policy, limits=limits, rules=st.dictionaries(st.integers(0, 3), limits, max_size=3)
)
histories = st.lists(
    st.builds(
        Candidate,
        t_clean=st.integers(0, 100).map(float),
        id=st.integers(0, 1000),
        rule=st.integers(-1, 3),
    ),
    max_size=30,
    unique_by=lambda candidate: candidate.id,
)


@given(histories, policies, st.integers(1, 7))
def test_repeated_selection_removes_what_a_naive_model_does(
    jobs: list[Candidate], policy: Policy, batch: int
) -> None:
    """Batches until none is left: as many as count() said, and exactly the model's jobs."""
    history = NaiveHistory(jobs)
    expected = naive(jobs, policy)
    assert count(history, policy, NOW) == len(expected)
    gone: list[int] = []
    while chosen := select(history, policy, NOW, batch):
        assert len(chosen) <= batch
        assert chosen == sorted(chosen)
        ids = [candidate.id for candidate in chosen]
        gone += ids
        history.jobs = [kept for kept in history.jobs if kept.id not in ids]
        assert count(history, policy, NOW) == len(expected) - len(gone)
    assert len(gone) == len(set(gone))
    assert set(gone) == expected


@given(histories, policies)
def test_a_purge_that_is_done_stays_done(jobs: list[Candidate], policy: Policy) -> None:
    """At the same instant, what the limits left has nothing more to go."""
    left = NaiveHistory([kept for kept in jobs if kept.id not in naive(jobs, policy)])
    assert select(left, policy, NOW, BATCH_MAX) == []
    assert count(left, policy, NOW) == 0


class TestLimits:
    """Strictly older, strictly more; oldest first."""

    @pytest.mark.parametrize(("age", "gone"), [(49.0, [1]), (50.0, []), (UNLIMITED, [])])
    def test_age_is_strict(self, age: float, gone: list[int]) -> None:
        """A job of exactly the limit stays."""
        chosen = select(NaiveHistory([job(1, 50)]), Policy(Limits(age=age)), NOW, 9)
        assert [candidate.id for candidate in chosen] == gone

    @pytest.mark.parametrize(("num", "gone"), [(0, [2, 3, 1]), (1, [2, 3]), (3, []), (-1, [])])
    def test_the_oldest_beyond_the_number_go(self, num: int, gone: list[int]) -> None:
        """Ties of time go by the smaller id."""
        history = NaiveHistory([job(1, 9), job(3, 5), job(2, 5)])
        chosen = select(history, Policy(Limits(num=num)), NOW, 9)
        assert [candidate.id for candidate in chosen] == gone

    def test_either_limit_is_enough(self) -> None:
        """Age and number are ORed, as Flux has it."""
        history = NaiveHistory([job(n, n) for n in range(1, 6)])
        assert count(history, Policy(Limits(age=NOW - 2.5, num=4)), NOW) == 2
        assert count(history, Policy(Limits(age=NOW - 2.5, num=1)), NOW) == 4

    def test_held_jobs_neither_go_nor_count(self) -> None:
        """A pinned job takes no place from those that may stay."""
        history = NaiveHistory([job(1, 1, HELD), job(2, 2), job(3, 3)])
        assert select(history, Policy(Limits(num=2)), NOW, 9) == []

    def test_a_rule_of_its_own_spares_the_rest(self) -> None:
        """What a class's own limit removes counts towards the global number."""
        history = NaiveHistory([job(1, 1), job(2, 2, 1), job(3, 3, 1)])
        policy = Policy(Limits(num=2), {1: Limits(num=1)})
        assert [candidate.id for candidate in select(history, policy, NOW, 9)] == [2]
        assert count(history, policy, NOW) == 1

    @pytest.mark.parametrize(
        ("policy", "unlimited"),
        [
            (Policy(), True),
            (Policy(rules={1: Limits()}), True),
            (Policy(Limits(num=0)), False),
            (Policy(rules={1: Limits(age=0)}), False),
        ],
    )
    def test_a_policy_knows_when_nothing_will_ever_go(
        self, policy: Policy, unlimited: bool
    ) -> None:
        """So that the daemon can say so."""
        assert policy.unlimited is unlimited


def test_a_decision_looks_at_heads_only() -> None:
    """A batch asks each class for no more jobs than it may take, however long history is."""
    asked: list[int] = []

    class Watched(NaiveHistory):
        def oldest(self, rule: int, limit: int) -> list[Candidate]:
            asked.append(limit)
            return super().oldest(rule, limit)

    history = Watched([job(n, n, n % 3) for n in range(300)])
    select(history, Policy(Limits(num=0), {1: Limits(num=5)}), NOW, 10)
    assert asked
    assert max(asked) <= 10
