"""Laws of readers of bytes and texts: whatever comes, a documented error or a value that holds.

A law takes any bytes. What it raises, but for AssertionError, is an error that no reader may raise.
How much time and memory it takes is watched by whoever calls it (scripts/atheris).
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar, get_args

from jobmgrd.exec import template
from jobmgrd.metrics.server import MetricsServer
from protocol import (
    bytesize,
    dependency,
    directives,
    duration,
    hostlist,
    idset,
    job_shell,
    jobid,
    payload,
    stream,
    taskmap,
)
from protocol.errors import FormatError, MessageError, PayloadError
from protocol.message import Cred, decode
from protocol.payload import Format
from protocol.resource_set import Rank
from protocol.signature import USERID_MAX, unwrap, wrap

T = TypeVar("T")

MESSAGE_MAX: Final = 1 << 14
"""Bytes that a message of `unix_stream` may have."""
CHARACTERS_MAX: Final = 1 << 25
"""What a hostlist may stand for: each of its hosts has a name of bounded length."""


def text_of(data: bytes) -> str:
    """Bytes as a text of an operating system may hold them, halves of surrogate pairs included."""
    return data.decode(errors="surrogateescape")


def refused(error: type[Exception], read: Callable[[], T]) -> T | None:
    """What is read, or None if it is refused by the error that is documented."""
    try:
        return read()
    except error:
        return None


def cut(data: bytes) -> list[bytes]:
    """Frames of any number and size: each begins with its size, and the last is what is left."""
    frames, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        frames.append(data[at + 1 : end])
        at = end
    return frames


def message(data: bytes) -> None:
    """RFC 3: what decodes is written as frames that decode to the same."""
    frames = cut(data)
    found = refused(MessageError, lambda: decode(frames))
    if found is not None:
        assert decode(found.frames()) == found
        assert str(found)
        known = Cred(1, 2)
        assert decode(frames, known).cred == known, "a header was believed"


def unix_stream(data: bytes) -> None:
    """The first byte says in which pieces the rest comes, and that changes nothing of it."""
    size, data = 1 + data[0] if data else 1, data[1:]
    whole, pieces = list[list[bytes]](), list[list[bytes]]()
    once, splitter = stream.Splitter(MESSAGE_MAX), stream.Splitter(MESSAGE_MAX)
    refused(MessageError, lambda: whole.extend(once.feed(data)))
    parts = (data[at : at + size] for at in range(0, len(data), size))
    refused(MessageError, lambda: pieces.extend(_feed(splitter, parts)))
    assert pieces == whole
    for frames in whole:
        assert next(stream.Splitter(MESSAGE_MAX * 2).feed(stream.encode(frames))) == frames
        stream.claimed(frames)
        refused(MessageError, partial(decode, stream.normal(frames)))


def _feed(splitter: stream.Splitter, parts: Iterator[bytes]) -> Iterator[list[bytes]]:
    for part in parts:
        yield from splitter.feed(part)


def payloads(data: bytes) -> None:
    """What decodes can be sent again, and says the same in both formats."""
    value = refused(PayloadError, lambda: payload.decode(data))
    if value is None:
        return
    assert payload.decode(payload.encode(value)) == value
    if not holds_bytes(value):
        assert payload.decode(payload.encode(value, Format.JSON)) == value


def holds_bytes(value: object) -> bool:
    """Whether there are bytes in it, which JSON does not have."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bytes) or any(map(holds_bytes, inner))


def durations(data: bytes) -> None:
    """RFC 23: a number of seconds, which is written as what reads as nearly the same."""
    seconds = refused(FormatError, lambda: duration.parse(text_of(data)))
    if seconds is None:
        return
    assert seconds >= 0
    again = duration.parse(duration.format(seconds))
    assert again == seconds or abs(again - seconds) <= 1e-5 * seconds or seconds > 1e303


def jobids(data: bytes) -> None:
    """RFC 19: 64 bits, in any spelling the same."""
    id = refused(FormatError, lambda: jobid.parse(text_of(data)))
    if id is not None:
        assert 0 <= id <= jobid.MAX
        for spelling in get_args(jobid.Spelling):
            assert jobid.parse(jobid.encode(id, spelling)) == id


def idsets(data: bytes) -> None:
    """RFC 22: ids ascend, and are written as what reads as the same."""
    ids = refused(FormatError, lambda: idset.parse(text_of(data)))
    if ids is not None:
        assert len(ids) <= idset.MAX_IDS
        assert all(low < high for low, high in itertools.pairwise(ids))
        assert idset.parse(idset.format(ids)) == ids


def hostlists(data: bytes) -> None:
    """RFC 29: hosts in their order, of a number and length that a short text cannot raise."""
    hosts = refused(FormatError, lambda: hostlist.parse(text_of(data)))
    if hosts is not None:
        assert len(hosts) <= hostlist.HOSTS_MAX
        assert sum(map(len, hosts)) <= CHARACTERS_MAX
        assert hostlist.parse(hostlist.format(hosts)) == hosts


def sizes(data: bytes) -> None:
    """Numbers of bytes."""
    size = refused(FormatError, lambda: bytesize.parse(text_of(data)))
    assert size is None or (size >= 0 and bytesize.parse(str(size)[:20]) >= 0)


def taskmaps(data: bytes) -> None:
    """RFC 34: a map is written as what reads as the same."""
    found = refused(FormatError, lambda: taskmap.parse(text_of(data)))
    if found is not None:
        assert taskmap.parse(json.dumps(taskmap.wrap(found))) == found
        assert taskmap.size(found) >= len(found)
        refused(FormatError, lambda: taskmap.counts(found, 8))


def dependencies(data: bytes) -> None:
    """RFC 26 on a command line: what is read can be sent."""
    found = refused(FormatError, lambda: dependency.from_uri(text_of(data)))
    if found is not None:
        assert payload.decode(payload.encode(found)) == found


def directive_lines(data: bytes) -> None:
    """RFC 36: each directive is of words, the first an option, and on a line of the script."""
    script = text_of(data)
    found = refused(FormatError, lambda: directives.parse(script))
    for one in found or ():
        assert one.words
        assert one.words[0].startswith("-")
        assert 1 <= one.line <= len(script.splitlines())


def signatures(data: bytes) -> None:
    """RFC 39: what was signed comes out again, and a claim is a userid."""
    found = refused(FormatError, lambda: unwrap(text_of(data)))
    if found is not None:
        userid, content = found
        assert 0 <= userid <= USERID_MAX
        assert unwrap(wrap(content, userid)) == found


def shell_topics(data: bytes) -> None:
    """The topic of a job's shell names the service that it was made from."""
    found = job_shell.parse_topic(text_of(data))
    if found is not None:
        userid, id, method = found
        assert job_shell.parse_topic(f"{job_shell.service(userid, id)}.{method}") == found


def templates(data: bytes) -> None:
    """Tags of paths: what stands for them is never read as tags again, and takes no time."""
    text = text_of(data)
    names = template.Names(1 << 24, "{{id}}", 2, 1, "/tmp/job")
    found = template.render(text, names, template.Place(0, 0, 0, Rank(0, (0, 1))))
    assert "{{" in text or found == text


def http_requests(data: bytes) -> None:
    """What Prometheus sends: one of four pages."""
    server = MetricsServer("unix:/none", _rendered, lambda _work: None)
    page, _with_body = asyncio.run(server._answer(data))
    assert page.status[:3] in {"200", "400", "404", "405"}


async def _rendered() -> tuple[str, bytes]:
    return "text/plain", b""


def requests(data: bytes) -> None:
    """Requests of every service, by their first byte: a struct, or an error that names the key."""
    if data:
        kind = REQUESTS[data[0] % len(REQUESTS)]
        refused(PayloadError, lambda: payload.decode_as(data[1:], kind))


def _requests() -> list[type[Any]]:
    """The types of all requests."""
    from protocol import job_info, job_list, job_manager, journal, plugins, resource  # noqa: PLC0415

    modules = (job_info, job_list, job_manager, job_shell, journal, plugins, resource)
    return [
        kind
        for module in modules
        for name, kind in sorted(vars(module).items())
        if name.endswith("Request")
    ]


REQUESTS: Final = _requests()
