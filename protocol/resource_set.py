"""Resource sets R, version 1 (RFC 20): which cores and GPUs of which ranks, from when to when.

`one_rank` writes the R of an allocation on one node and is on the scheduler's path; `encode` and
`parse` are the general pair. The opaque `scheduling` key is read past.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from protocol import hostlist, idset, shape
from protocol.errors import FormatError

PROPERTY_ILLEGAL: Final = frozenset("!&'\"^`|()")


class Rank(Struct, frozen=True):
    """What is held of one execution target."""

    rank: int
    cores: tuple[int, ...]  # logical ids, ascending
    gpus: tuple[int, ...] = ()
    host: str = "localhost"


class ResourceSet(Struct, frozen=True):
    """An R. Times are UNIX time in seconds; 0.0 is "unset"."""

    ranks: tuple[Rank, ...]  # by rank, ascending; each once
    starttime: float = 0.0
    expiration: float = 0.0
    nslots: int = 0  # 0: not an allocation
    properties: Mapping[str, frozenset[int]] = {}  # property -> ranks that have it

    @property
    def ncores(self) -> int:
        """Cores in all."""
        return sum(len(rank.cores) for rank in self.ranks)

    @property
    def ngpus(self) -> int:
        """GPUs in all."""
        return sum(len(rank.gpus) for rank in self.ranks)

    @property
    def nodelist(self) -> str:
        """The hosts in order of rank, as a hostlist (RFC 29)."""
        return hostlist.format(rank.host for rank in self.ranks)


_Parts: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
_IdSet: TypeAlias = Annotated[str, Meta(min_length=1)]


class _Children(Struct, omit_defaults=True, forbid_unknown_fields=True):
    core: _IdSet
    gpu: str = ""


class _Entry(Struct):
    rank: _IdSet
    children: _Children


class _Execution(Struct):
    R_lite: list[_Entry]
    nodelist: list[str]
    nslots: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    properties: dict[str, str] | UnsetType = UNSET
    starttime: float = 0.0
    expiration: float = 0.0


class _R(Struct):
    version: Annotated[int, Meta(ge=1, le=1)]
    execution: _Execution


_DECODER: Final = msgspec.json.Decoder(_R)
_encode: Final = msgspec.json.Encoder().encode


def one_rank(
    rank: int,
    cores: Sequence[int],
    gpus: Sequence[int],
    host: str,
    starttime: float,
    expiration: float,
    *,
    nslots: int = 0,
) -> bytes:
    """R of one rank as compact JSON; `nslots` 0 leaves that key out."""
    children = _Children(idset.format(cores), idset.format(gpus) if gpus else "")
    execution = _Execution(
        [_Entry(str(rank), children)], [host], nslots or UNSET, UNSET, starttime, expiration
    )
    return _encode(_R(1, execution))


def encode(resources: ResourceSet) -> bytes:
    """R as compact JSON; ranks that hold the same cores and GPUs share an entry."""
    groups = _groups(resources.ranks)
    execution = _Execution(
        [
            _Entry(
                idset.format(ranks),
                _Children(idset.format(cores), idset.format(gpus) if gpus else ""),
            )
            for (cores, gpus), ranks in groups.items()
        ],
        [resources.nodelist] if resources.ranks else [],
        resources.nslots or UNSET,
        {name: idset.format(ranks) for name, ranks in resources.properties.items()} or UNSET,
        resources.starttime,
        resources.expiration,
    )
    return _encode(_R(1, execution))


def summary(ranks: Iterable[Rank]) -> str:
    """What is held, in brief: "rank[0-1]/core[0-3],gpu0 rank2/core0"."""
    return " ".join(
        f"rank{_brief(same)}/core{_brief(cores)}{f',gpu{_brief(gpus)}' if gpus else ''}"
        for (cores, gpus), same in _groups(ranks).items()
    )


def _groups(ranks: Iterable[Rank]) -> Mapping[_Parts, list[int]]:
    """The ranks that hold the same cores and GPUs."""
    groups: dict[_Parts, list[int]] = {}
    for rank in ranks:
        groups.setdefault((rank.cores, rank.gpus), []).append(rank.rank)
    return groups


def _brief(ids: Sequence[int]) -> str:
    return f"[{idset.format(ids)}]" if len(ids) > 1 else str(ids[0])


def parse(data: bytes) -> ResourceSet:
    """Read R.

    Raises:
        FormatError: it is not JSON or not a version 1 R; the text names the path, for example
            "R: execution.R_lite[0].children.core: ...".
    """
    execution = shape.decode(data, _DECODER, "R").execution
    held: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for n, entry in enumerate(execution.R_lite):
        path = f"execution.R_lite[{n}]"
        cores = _parse_ids(entry.children.core, f"{path}.children.core")
        gpus = _parse_ids(entry.children.gpu, f"{path}.children.gpu")
        for rank in _parse_ids(entry.rank, f"{path}.rank"):
            if rank in held:
                raise FormatError(f"R: {path}.rank: rank {rank} occurs twice")
            held[rank] = (cores, gpus)
    hosts = _hosts(execution.nodelist)
    if len(hosts) != len(held):
        raise FormatError(f"R: execution.nodelist: {len(hosts)} hosts for {len(held)} ranks")
    return ResourceSet(
        tuple(
            Rank(rank, *held[rank], host=host)
            for rank, host in zip(sorted(held), hosts, strict=True)
        ),
        *_times(execution),
        nslots=0 if execution.nslots is UNSET else execution.nslots,
        properties=_properties(execution.properties or {}, held),
    )


def _times(execution: _Execution) -> tuple[float, float]:
    start, end = execution.starttime, execution.expiration
    for name, value in (("starttime", start), ("expiration", end)):
        if not 0.0 <= value < math.inf:
            raise FormatError(f"R: execution.{name}: must be >= 0 and finite")
    if start and end and end <= start:
        raise FormatError("R: execution.expiration: must be greater than starttime")
    return start, end


def _properties(given: Mapping[str, str], ranks: Iterable[int]) -> dict[str, frozenset[int]]:
    known = frozenset(ranks)
    properties = {}
    for name, text in given.items():
        path = f"execution.properties.{name}"
        if not name or PROPERTY_ILLEGAL & set(name):
            raise FormatError(f"R: {path}: illegal property name")
        properties[name] = frozenset(_parse_ids(text, path))
        if not properties[name] <= known:
            raise FormatError(f"R: {path}: names a rank that is not in R_lite")
    return properties


def _hosts(nodelist: Iterable[str]) -> list[str]:
    try:
        return list(chain.from_iterable(hostlist.parse(entry) for entry in nodelist))
    except FormatError as error:
        raise FormatError(f"R: execution.nodelist: {error}") from None


def _parse_ids(text: str, path: str) -> tuple[int, ...]:
    try:
        return tuple(sorted(idset.parse(text)))
    except FormatError as error:
        raise FormatError(f"R: {path}: {error}") from None
