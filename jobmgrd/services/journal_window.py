"""The last news of the journal, numbered and encoded once, for consumers that missed some.

A window is bounded in records and bytes; the oldest go first. It lives as long as the daemon
process: the incarnation in its cursors tells those of another process apart.
"""

import errno
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from protocol import payload
from protocol.errors import RpcError
from protocol.payload import Format

RECORDS_MAX: Final = 100_000
BYTES_MAX: Final = 32 << 20
"""Of encoded records, in all formats. At 1.5 KiB for each of a job's records, some 5,000 jobs."""

_DIGITS_MAX: Final = 20


class Record:
    """One of the news, encoded at most once in each format."""

    __slots__ = ("is_purge", "json", "msgpack", "n")

    def __init__(self, n: int, json: bytes, *, is_purge: bool) -> None:
        self.n = n
        self.json = json  # NUL included
        self.msgpack: bytes | None = None
        self.is_purge = is_purge


class Window:
    """Records by number, from 1; those before `first` are gone."""

    def __init__(self, records_max: int = RECORDS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._incarnation = secrets.token_hex(4)
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._records: list[Record | None] = []  # None: gone, see `_drop`
        self._gone = 0  # how many at the head of `_records` are gone
        self._bytes = 0
        self.last = 0

    @property
    def first(self) -> int:
        """The number of the oldest record; one more than `last` if there is none."""
        return self.last + 1 - (len(self._records) - self._gone)

    @property
    def size(self) -> int:
        """Bytes of the encoded records."""
        return self._bytes

    def cursor(self, n: int) -> str:
        """The cursor of a record's number."""
        return f"{self._incarnation}.{n}"

    def position(self, cursor: str) -> int:
        """The number that a cursor holds.

        Raises:
            RpcError: EINVAL for what is no cursor; ESTALE if news after it are not to be had here.
        """
        incarnation, _, digits = cursor.partition(".")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS_MAX):
            raise RpcError(errno.EINVAL, f"since {cursor!r} is not a cursor of this journal")
        n = int(digits)
        if incarnation != self._incarnation or n > self.last:
            raise RpcError(errno.ESTALE, f"since {cursor} is of another daemon process: resync")
        self._check(n)
        return n

    def add(self, fields: bytes, *, is_purge: bool = False) -> Record:
        """Number and keep a record: a JSON object without its closing brace."""
        self.last += 1
        json = b'%b,"seq":"%b"}\0' % (fields, self.cursor(self.last).encode())
        record = Record(self.last, json, is_purge=is_purge)
        self._records.append(record)
        self._bytes += len(json)
        while len(self._records) - self._gone > self._records_max or self._bytes > self._bytes_max:
            self._drop()
        return record

    def after(self, n: int, limit: int) -> Sequence[Record]:
        """At most `limit` records that follow number n.

        Raises:
            RpcError: ESTALE: some of them are gone.
        """
        self._check(n)
        start = self._gone + n + 1 - self.first
        return [record for record in self._records[start : start + limit] if record is not None]

    def encoded(self, record: Record, format: Format) -> bytes:
        """A record that was just added, or just read, in a format."""
        if format is Format.JSON:
            return record.json
        if record.msgpack is None:
            record.msgpack = payload.encode(msgspec.json.decode(record.json[:-1]), format)
            if record.n >= self.first:
                self._bytes += len(record.msgpack)
        return record.msgpack

    def _check(self, n: int) -> None:
        if n + 1 < self.first:
            text = f"the journal begins after {self.cursor(self.first - 1)}: resync"
            raise RpcError(errno.ESTALE, text)

    def _drop(self) -> None:
        """Let the oldest record go; its place goes along with many others."""
        record = self._records[self._gone]
        if record is not None:
            self._bytes -= len(record.json) + len(record.msgpack or b"")
        self._records[self._gone] = None
        self._gone += 1
        if self._gone * 2 > len(self._records):
            del self._records[: self._gone]
            self._gone = 0
