"""Lists of inactive jobs: SQL agrees with the domain, pages, order, attributes, plans."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmgrd.jobs.attributes import ATTRIBUTES, attributes
from jobmgrd.jobs.job import Job
from jobmgrd.jobs.match import predicate
from jobmgrd.jobs.retention import HELD
from jobmgrd.store import rows, schema, sqlite_query, statements
from jobmgrd.store.counters import Counters
from jobmgrd.store.listed import describe
from jobmgrd.store.memory import MemoryStore
from jobmgrd.store.port import Changes, Count, Listed, Query, Store
from jobmgrd.store.sqlite import SqliteStore
from jobmgrd.store.transaction import Transaction
from protocol.constraint import TRUE, Constraint
from protocol.constraint_reader import parse
from tests.random_jobs import CONSTRAINTS, ENDED, TIMES, jobs
from tests.store.sample import db_path, ended

ATTRIBUTE_NAMES = st.sampled_from(sorted(ATTRIBUTES))
HISTORIES = st.lists(st.tuples(jobs(lives=ENDED), st.integers(HELD, 2)), max_size=6)


async def _list(store: Store, query: Query, page: int = 3) -> list[int]:
    """The ids that a query gives, page after page."""
    found: list[int] = []
    async with aclosing(store.list(query, page)) as pages:
        async for jobs in pages:
            assert 0 < len(jobs) <= page
            found += [job["id"] for job in jobs]
    return found


def _walk(db: sqlite3.Connection, changes: Changes, query: Query, page: int) -> list[Listed]:
    """What SQL says of these jobs, in a transaction that is taken back."""
    db.execute("BEGIN")
    transaction = Transaction(db, Counters(), lambda: 0.0)
    transaction.write(changes)
    transaction.flush()
    walk = sqlite_query.Walk(query, page)
    found: list[Listed] = []
    while not walk.done:
        found += walk.step(db)
    db.execute("ROLLBACK")
    return found


def _last_first(jobs: Iterable[Job]) -> list[Job]:
    """Jobs in the order of lists."""
    return sorted(jobs, key=lambda job: (job.t_clean, job.id), reverse=True)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """An empty file, opened to write."""
    connection = schema.open_writer(tmp_path_factory.mktemp("query") / "jobs.sqlite", "os")
    sqlite_query.register(connection)
    yield connection
    connection.close()


class TestLaws:
    """Hypothesis: any history, any constraint."""

    @given(HISTORIES, CONSTRAINTS, TIMES | st.just(0.0), st.integers(1, 4))
    @settings(max_examples=200, deadline=None)
    async def test_stores_list_what_the_domain_says(
        self,
        db: sqlite3.Connection,
        history: Sequence[tuple[Job, int]],
        constraint: Constraint,
        since: float,
        page: int,
    ) -> None:
        """SQL, the store in memory and the predicate agree on which jobs, and in which order."""
        matches = predicate(constraint)
        for id, (job, _) in enumerate(history, 1):
            job.id = id
        chosen = [job for job, _ in history if matches(job) and job.t_clean > since]
        expected = [job.id for job in _last_first(chosen)]
        changes = Changes(ended=[rows.inactive(job, rule) for job, rule in history])
        query = Query(constraint, since)
        memory = MemoryStore()
        await memory.open()
        await memory.write(changes)
        assert await _list(memory, query, page) == expected
        assert [job["id"] for job in _walk(db, changes, query, page)] == expected

    @given(jobs(lives=ENDED), st.sets(ATTRIBUTE_NAMES))
    def test_a_row_says_what_its_job_said(self, job: Job, names: set[str]) -> None:
        """Every attribute, without the job's eventlog."""
        for some in (sorted(names), list(ATTRIBUTES)):
            (listed,) = describe([rows.inactive(job, 0)], some)
            assert list(listed.items()) == list(attributes(job, some).items())

    @given(st.lists(jobs(lives=ENDED), min_size=1, max_size=6), st.sets(ATTRIBUTE_NAMES))
    @settings(deadline=None)
    def test_sql_says_what_the_jobs_said(
        self, db: sqlite3.Connection, history: Sequence[Job], names: set[str]
    ) -> None:
        """From the columns that these attributes need, and no others; as they are encoded, too."""
        for id, job in enumerate(history, 1):
            job.id = id
        changes = Changes(ended=[rows.inactive(job, 0) for job in history])
        for some in (sorted(names), list(ATTRIBUTES)):
            listed = _walk(db, changes, Query(attrs=some), 4)
            for job, said in zip(_last_first(history), listed, strict=True):
                assert msgspec.msgpack.encode(said) == msgspec.msgpack.encode(attributes(job, some))


class TestList:
    """Walks through a history of either store."""

    async def test_classes_come_in_one_order_the_last_first(self, store: Store) -> None:
        """Whatever class a job is in, held ones too; ties by id."""
        jobs = [ended(n, 1.0 + n // 2, rule=n % 3 - 1) for n in range(1, 20)]
        await store.write(Changes(ended=jobs))
        assert await _list(store, Query(), 4) == sorted(range(1, 20), reverse=True)

    async def test_since_leaves_out_jobs_that_ended_then_or_before(self, store: Store) -> None:
        """Strictly after."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 6)]))
        assert await _list(store, Query(TRUE, 3.0)) == [5, 4]

    async def test_jobs_that_are_purged_or_end_meanwhile_spoil_nothing(self, store: Store) -> None:
        """Every job that was there from begin to end comes once."""
        await store.write(Changes(ended=[ended(n) for n in range(1, 10)]))
        found: list[int] = []
        async with aclosing(store.list(Query(), 3)) as pages:
            async for page in pages:
                found += [job["id"] for job in page]
                await store.write(Changes(ended=[ended(100 + len(found))]))
                await store.purge(lambda h: h.oldest(0, 1), now=1.0, reason="x", userid=0)
        assert [id for id in found if 3 < id < 10] == [9, 8, 7, 6, 5, 4]
        assert len(found) == len(set(found))

    async def test_a_list_sees_what_was_written_before_it(self, store: Store) -> None:
        """Without waiting for the write."""
        written = store.write(Changes(ended=[ended(1)]))
        assert await _list(store, Query()) == [1]
        await written

    async def test_counts_tell_kept_from_ended(self, store: Store) -> None:
        """By queue and result; purging lowers one number and not the other."""
        await store.write(Changes(ended=[ended(1), ended(2, queue="b"), ended(3, queue="b")]))
        await store.write(Changes(ended=[ended(4, queue="b", result=2)]))
        await store.purge(lambda h: h.oldest(0, 2), now=1.0, reason="x", userid=0)
        assert list(await store.counts()) == [
            Count("", 1, 1, 0),
            Count("b", 1, 2, 1),
            Count("b", 2, 1, 1),
        ]


class TestSqlite:
    """What only the SQLite store promises."""

    async def test_no_text_of_a_message_is_sql(self, tmp_path: Path) -> None:
        """Quotes and comments match nothing but themselves; the tables stay."""
        store = SqliteStore(db_path(tmp_path))
        await store.open()
        await store.write(Changes(ended=[ended(1, queue="'); DROP TABLE ended; --")]))
        for text in ("' OR 1 --", "?", "x') OR (1", '"'):
            assert not await _list(store, Query(parse({"queue": [text]})))
            assert not await _list(store, Query(parse({"name": [text]})))
        wanted = parse({"queue": ["'); DROP TABLE ended; --"]})
        assert await _list(store, Query(wanted)) == [1]
        await store.close()

    async def test_a_sparse_search_goes_in_steps(self, tmp_path: Path) -> None:
        """A step looks at its span and no further, so that other questions come in between."""
        store = SqliteStore(db_path(tmp_path), durability="os")
        await store.open()
        await store.write(Changes(ended=[ended(n, queue="b" * (n == 1)) for n in range(1, 1000)]))
        await store.close()
        db = schema.open_reader(db_path(tmp_path))
        walk = sqlite_query.Walk(Query(parse({"queue": ["b"]})), 10)
        first = walk.step(db)
        assert (list(first), walk.done) == ([], False)
        found: list[Listed] = []
        steps = 0
        while not walk.done:
            found += walk.step(db)
            steps += 1
        db.close()
        assert [job["id"] for job in found] == [1]
        assert steps > 1

    @pytest.mark.parametrize(
        "value",
        [{"t_inactive": [">900"]}, {"and": [{"userid": [1000]}, {"t_inactive": [">=900"]}]}],
    )
    async def test_a_bound_on_t_inactive_ends_the_walk(
        self, tmp_path: Path, value: dict[str, object]
    ) -> None:
        """Jobs before it are not looked at."""
        store = SqliteStore(db_path(tmp_path), durability="os")
        await store.open()
        await store.write(Changes(ended=[ended(n) for n in range(1, 1000)]))
        await store.close()
        db = schema.open_reader(db_path(tmp_path))
        walk = sqlite_query.Walk(Query(parse(value)), 200)
        found = walk.step(db)
        db.close()
        assert walk.done
        assert len(found) in {99, 100}

    @pytest.mark.parametrize(
        "value",
        [
            {"or": [{"userid": list(range(9))}] * 255},
            {"name": [str(n) for n in range(4096)]},
            {"not": [{"not": [{"not": [{"and": [{"or": [{"t_run": ["<1"]}] * 120}] * 2}]}]}]},
        ],
    )
    def test_the_widest_constraint_is_a_statement_that_sqlite_takes(
        self, db: sqlite3.Connection, value: dict[str, object]
    ) -> None:
        """The reader's limits are within SQLite's."""
        assert _walk(db, Changes(ended=[ended(1)]), Query(parse(value)), 10) in ([], [{"id": 1}])

    @pytest.mark.parametrize("where", ["userid IN (?)", "(queue IN (?) AND NOT result & 4 != 0)"])
    def test_common_constraints_are_told_by_the_index_alone(
        self, db: sqlite3.Connection, where: str
    ) -> None:
        """The index covers the narrow table, and gives the order; it tells common attributes."""
        narrow = "SEARCH ended USING COVERING INDEX ended_in_order"
        wide = "SEARCH inactive USING INTEGER PRIMARY KEY"
        for columns, join, expected in (
            ("id, userid, queue, result", "LEFT JOIN", [narrow]),
            ("id, name", "CROSS JOIN", [narrow, wide]),
        ):
            plan = _plan(db, statements.LISTED.format(columns, join, where))
            assert [step.partition(" (")[0] for step in plan] == expected
            assert "(rule=? AND t_clean>? AND t_clean<?)" in plan[0]

    def test_a_job_whose_record_is_missing_is_passed_over(self, db: sqlite3.Connection) -> None:
        """The file is damaged; the others are listed."""
        db.execute("BEGIN")
        transaction = Transaction(db, Counters(), lambda: 0.0)
        transaction.write(Changes(ended=[ended(1), ended(2), ended(3)]))
        transaction.flush()
        db.execute("DELETE FROM inactive WHERE ord = 2")
        found = sqlite_query.Walk(Query(attrs=["name", "exception_occurred"]), 3).step(db)
        db.execute("ROLLBACK")
        assert [job["id"] for job in found] == [3, 1]


def _plan(db: sqlite3.Connection, text: str) -> list[str]:
    parameters = (1,) * text.count("?")
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]
