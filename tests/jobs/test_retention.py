"""Which jobs go next, and how many: laws that hold for every history and policy."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobmgrd.jobs.retention import (
    BATCH_MAX,
    DEFAULT,
    HELD,
    UNLIMITED,
    Candidate,
    Limits,
    Policy,
    Standing,
    count,
    reason,
    select,
    standing,
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

    def position(self, job: Candidate) -> int:
        """How many jobs of its class go before this one."""
        return sum(other.rule == job.rule and other < job for other in self.jobs)

    def find(self, ids: Sequence[int]) -> list[Candidate]:
        """Those of these jobs that are inactive, held or not."""
        return [job for job in self.jobs if job.id in ids]


def over(queue: list[Candidate], limits: Limits, now: float = NOW) -> list[Candidate]:
    """The jobs of a queue that are over these limits."""
    kept = limits.num if limits.num != UNLIMITED else len(queue)
    return [
        job
        for n, job in enumerate(queue)
        if n < len(queue) - kept or (limits.age >= 0 and now - job.t_clean > limits.age)
    ]


def naive(jobs: list[Candidate], policy: Policy, now: float = NOW) -> set[int]:
    """The jobs that must go: each rule over its class, then the global limits over the rest."""
    rest = sorted(job for job in jobs if job.rule != HELD)
    gone: set[int] = set()
    for rule, limits in policy.rules.items():
        gone |= {job.id for job in over([job for job in rest if job.rule == rule], limits, now)}
    rest = [job for job in rest if job.id not in gone]
    return gone | {job.id for job in over(rest, policy.limits, now)}


def job(id: int, t_clean: float, rule: int = DEFAULT) -> Candidate:
    """An inactive job."""
    return Candidate(t_clean, id, rule)


ages = st.sampled_from([UNLIMITED, 0.0, 1.0, 50.0, 99.0, float("inf")])
nums = st.integers(-1, 12)


def policies_of(limits: st.SearchStrategy[Limits]) -> st.SearchStrategy[Policy]:
    """Policies with such limits, global ones and those of rules."""
    rules = st.dictionaries(st.integers(0, 3), limits, max_size=3)
    return st.builds(Policy, limits=limits, rules=rules)


policies = policies_of(st.builds(Limits, age=ages, num=nums))
numbered = policies_of(st.builds(Limits, num=nums))
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
crowds = st.lists(
    st.tuples(st.integers(0, 3).map(float), st.sampled_from([HELD, 0, 0, 1, 1, 2])),
    min_size=4,
    max_size=16,
).flatmap(
    lambda jobs: st.permutations(range(len(jobs))).map(
        lambda ids: [Candidate(t, id, rule) for (t, rule), id in zip(jobs, ids, strict=True)]
    )
)
"""Many jobs that ended at few instants, in few classes."""
tight = st.builds(
    Policy,
    limits=st.builds(Limits, num=st.integers(0, 8)),
    rules=st.dictionaries(st.integers(0, 2), st.builds(Limits, num=st.integers(-1, 3))),
)
"""Number limits, all of which matter to the jobs of a crowd."""


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


@given(histories, policies, st.integers(1, 7))
def test_a_chosen_job_goes_for_the_reason_given(
    jobs: list[Candidate], policy: Policy, batch: int
) -> None:
    """Its rule's limits before the global ones, age before number, and each of them true."""
    history = NaiveHistory(jobs)
    for chosen in select(history, policy, NOW, batch):
        own = policy.rules.get(chosen.rule, Limits())
        queue = [other for other in history.jobs if other.rule == chosen.rule]
        if chosen in over(queue, Limits(age=own.age)):
            expected = "age limit of its rule"
        elif chosen in over(queue, own):
            expected = "number limit of its rule"
        elif chosen in over([chosen], Limits(age=policy.limits.age)):
            expected = "age limit"
        else:
            expected = "number limit"
        assert reason(history.counts(), policy, chosen, NOW) == expected


class TestStanding:
    """Where a job stands is when it will go."""

    @settings(max_examples=300)
    @given(st.tuples(crowds, tight) | st.tuples(histories, numbered), st.data())
    def test_it_goes_by_number_after_so_many_more_ends(
        self, case: tuple[list[Candidate], Policy], data: st.DataObject
    ) -> None:
        """After exactly `beyond` more jobs of its class, and not after one fewer."""
        jobs, policy = case
        assume(jobs)
        mine = data.draw(st.sampled_from(jobs))
        beyond = standing(NaiveHistory(jobs), policy, mine, NOW).beyond

        def goes_after(ends: int) -> bool:
            more = [job(2000 + n, NOW, mine.rule) for n in range(ends)]
            return mine.id in naive(jobs + more, policy)

        if beyond is None:
            assert not goes_after(50)
        else:
            assert goes_after(max(beyond, 0))
            assert beyond <= 0 or not goes_after(beyond - 1)

    @given(histories, policies_of(st.builds(Limits, age=ages)), st.data())
    def test_it_goes_by_age_at_the_time_told(
        self, jobs: list[Candidate], policy: Policy, data: st.DataObject
    ) -> None:
        """After `goes`, and not at that very time."""
        assume(jobs)
        mine = data.draw(st.sampled_from(jobs))
        goes = standing(NaiveHistory(jobs), policy, mine, NOW).goes
        if goes is None:
            assert mine.id not in naive(jobs, policy, 1e9)
        else:
            assert mine.id not in naive(jobs, policy, goes)
            assert mine.id in naive(jobs, policy, goes + 0.5)

    def test_the_stricter_limit_is_told(self) -> None:
        """Of its rule or of all jobs, each for age and for number."""
        history = NaiveHistory([job(1, 90), job(2, 91, 1), job(3, 92, 1)])
        policy = Policy(Limits(age=20, num=3), {1: Limits(age=50, num=5)})
        assert standing(history, policy, job(3, 92, 1), NOW) == Standing(
            age=8, place=1, count=2, age_limit=20, num_limit=3, goes=112, beyond=3
        )

    def test_a_held_job_is_under_no_limit(self) -> None:
        """It does not go, however old."""
        policy = Policy(Limits(age=1, num=0))
        assert standing(NaiveHistory([job(1, 90, HELD)]), policy, job(1, 90, HELD), NOW) == (
            Standing(age=10)
        )


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
