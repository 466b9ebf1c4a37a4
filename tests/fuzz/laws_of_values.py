"""Laws of readers of objects: constraints, jobspecs, R, eventlogs, configurations, key files.

As those of bytes: a law takes any bytes, which are JSON or TOML if they are anything.
"""

import sqlite3
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from jobmgrd import curve
from jobmgrd.config import ConfigError, check, describe_change, load
from jobmgrd.jobs import constraints, dependencies, placement
from jobmgrd.jobs.match import assume
from jobmgrd.jobs.nodes import Node, NodeConfig
from jobmgrd.store import schema, sqlite_query
from jobmgrd.store.port import Query
from protocol import (
    constraint,
    constraint_query,
    constraint_reader,
    eventlog,
    jobspec,
    payload,
    resource_set,
)
from protocol.errors import FormatError, PayloadError
from protocol.job import State
from protocol.jobspec.v1 import COUNT_MAX
from protocol.payload import Format
from protocol.resource_set import Rank
from tests.fuzz.laws_of_bytes import holds_bytes, refused, text_of

NODE: Final = Node(NodeConfig(0, "node0", 2, properties=frozenset({"ssd"})))
GIVEN: Final = tuple(Rank(n, (0, 1), (), f"node{n}") for n in range(2))
"""What a job was given."""


def value_of(data: bytes) -> Any:  # noqa: ANN401 - whatever a client sends
    """The value under the key "v" of a payload, or the payload itself; None if there is none."""
    found = refused(PayloadError, lambda: payload.decode(data))
    return found.get("v", found) if found else None


def job_constraints(data: bytes) -> None:
    """RFC 43: written as what reads as the same, and a question that the store understands."""
    found = refused(FormatError, lambda: constraint_reader.parse(value_of(data)))
    if found is not None:
        assert constraint_reader.parse(constraint.encode(found)) == found
        walk = sqlite_query.Walk(Query(found), page=10)
        assert list(walk._rows(_STORE, 0, walk._after)) == []
        assume(found, State.PENDING)


def _store() -> sqlite3.Connection:
    """A store without jobs."""
    db = schema.open_writer(_DIRECTORY / "jobs.sqlite", "os")
    sqlite_query.register(db)
    return db


_KEPT: Final = tempfile.TemporaryDirectory(prefix="jmz-")
_DIRECTORY: Final = Path(_KEPT.name)
_STORE: Final = _store()


def node_constraints(data: bytes) -> None:
    """RFC 31: a question that every node can be asked."""
    matches = refused(FormatError, lambda: constraints.compiled(value_of(data)))
    if matches is not None:
        assert matches(NODE) in {True, False}


def queries(data: bytes) -> None:
    """RFC 35: what a query stands for is a constraint of RFC 31, but for its hosts and ranks."""
    found = refused(FormatError, lambda: constraint_query.parse(text_of(data)))
    if found is not None:
        refused(FormatError, lambda: constraints.compiled(found))


def jobspecs(data: bytes) -> None:
    """RFC 25: the same by both ways in, can be sent again, and has places for its tasks."""
    value = refused(PayloadError, lambda: payload.decode(data))
    text = data if value is None or holds_bytes(value) else payload.encode(value, Format.JSON)[:-1]
    found = refused(FormatError, lambda: jobspec.decode(text))
    if text is not data:
        assert refused(FormatError, lambda: jobspec.parse(value)) == found
    if found is not None:
        shown = jobspec.redact(text)
        assert payload.decode(payload.encode(shown)) == shown
        assert "environment" not in shown["attributes"]["system"]
        assert 0 < found.num_slots <= COUNT_MAX
        assert 0 < found.ntasks <= COUNT_MAX
        for given in found.dependencies:
            refused(FormatError, partial(dependencies.parse, given))
        refused(FormatError, lambda: constraints.compiled(found.constraints))
        refused(FormatError, lambda: placement.place(found, GIVEN))


def resource_sets(data: bytes) -> None:
    """RFC 20: written as what reads as the same."""
    found = refused(FormatError, lambda: resource_set.parse(data))
    if found is not None:
        assert resource_set.parse(resource_set.encode(found)) == found
        assert resource_set.summary(found.ranks) or not found.ranks


def eventlogs(data: bytes) -> None:
    """RFC 18: entries are written as what reads as the same."""
    entries = refused(FormatError, lambda: eventlog.decode(data))
    if entries is not None:
        assert eventlog.decode(b"".join(map(eventlog.encode, entries))) == entries


def configurations(data: bytes) -> None:
    """TOML, the whole path: what is accepted can be shown, and is accepted as config.load has it.

    An error names the file.
    """
    path = _DIRECTORY / "fuzz.toml"
    path.write_bytes(data)
    text = ""
    try:
        loaded = load(path)
    except ConfigError as error:
        text = str(error)
    if text:
        assert text.startswith(f"{path}: ")
        return
    assert describe_change(loaded.config, load(path).config) == []
    for format in Format:
        shown = payload.decode(payload.encode(loaded.raw, format))
        assert describe_change(loaded.config, check(shown, "config.load").config) == []


def loads(data: bytes) -> None:
    """A configuration as config.load gets it."""
    value = value_of(data)
    if isinstance(value, dict):
        loaded = refused(ConfigError, lambda: check(value, "config.load"))
        assert loaded is None or structs.replace(loaded.config) == loaded.config


def key_files(data: bytes) -> None:
    """CURVE keys: names and texts, and a public key of 40 characters."""
    path = _DIRECTORY / "key.pub"
    path.write_bytes(data)
    values = refused(curve.KeyFileError, lambda: curve.read_values(path))
    if values is not None:
        key = refused(curve.KeyFileError, lambda: curve.public_key(path, values))
        assert key is None or len(key) == 40
