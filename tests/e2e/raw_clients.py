"""Connections that send whatever header they are told to, over each transport there is."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol

import zmq

from protocol.message import UNKNOWN, Cred, Request, Response, decode
from protocol.payload import decode as decode_payload
from protocol.payload import encode
from tests.e2e.curve_site import Site
from tests.local_client import LocalClient, message


class Answer(NamedTuple):
    """A response; the text is that of its error."""

    tag: int
    errnum: int
    text: str
    value: dict[str, Any]


class RawClient(Protocol):
    """A connection of somebody."""

    def send(
        self,
        topic: str,
        body: Mapping[str, Any],
        tag: int,
        flags: int = 0,
        claim: Cred = UNKNOWN,
    ) -> None:
        """Send a request."""

    def receive(self) -> Answer:
        """The next response."""

    def close(self) -> None:
        """Disconnect."""


class OverZmq:
    """By a DEALER."""

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        self.socket = socket

    def send(
        self,
        topic: str,
        body: Mapping[str, Any],
        tag: int,
        flags: int = 0,
        claim: Cred = UNKNOWN,
    ) -> None:
        """See RawClient."""
        request = Request(topic, encode(body), claim, matchtag=tag, flags=flags)
        self.socket.send_multipart(request.frames())

    def receive(self) -> Answer:
        """See RawClient."""
        answer = decode(self.socket.recv_multipart())
        assert isinstance(answer, Response)
        text = answer.error_text if answer.errnum else ""
        value = {} if answer.errnum else decode_payload(answer.payload)
        return Answer(answer.matchtag, answer.errnum, text, value)

    def close(self) -> None:
        """See RawClient."""
        self.socket.close()


class OverLocal:
    """By RUNDIR/local, where the kernel says who it is."""

    def __init__(self, client: LocalClient) -> None:
        self.client = client

    def send(
        self,
        topic: str,
        body: Mapping[str, Any],
        tag: int,
        flags: int = 0,
        claim: Cred = UNKNOWN,
    ) -> None:
        """See RawClient."""
        who = {"userid": claim.userid, "rolemask": claim.rolemask}
        self.client.socket.sendall(message(topic, encode(body), matchtag=tag, flags=flags, **who))

    def receive(self) -> Answer:
        """See RawClient."""
        answer = self.client.receive()
        if answer.number:
            return Answer(answer.matchtag, answer.number, answer.text, {})
        return Answer(answer.matchtag, 0, "", decode_payload(answer.payload))

    def close(self) -> None:
        """See RawClient."""
        self.client.socket.close()


@contextmanager
def acting_as(userid: int) -> Iterator[None]:
    """Be another user for a while, which root may."""
    me = os.geteuid()
    if userid != me:
        os.seteuid(userid)
    try:
        yield
    finally:
        os.seteuid(me)


def may_act_as(userid: int) -> bool:
    """Whether that is possible."""
    return os.geteuid() in (0, userid)


def over_tcp(site: Site, who: str, _userid: int) -> RawClient:
    """With the key of this name."""
    return OverZmq(site.socket(zmq.DEALER, site.rpc, site.keys / f"{who}.key"))


def over_ipc(site: Site, _who: str, _userid: int) -> RawClient:
    """As the owner, whom the run directory lets in."""
    return OverZmq(site.socket(zmq.DEALER, f"ipc://{site.daemon.rundir}/rpc", None))


def over_local(site: Site, _who: str, userid: int) -> RawClient:
    """As this user."""
    with acting_as(userid):
        return OverLocal(LocalClient(site.daemon.rundir))


Connect = Callable[[Site, str, int], RawClient]
BY_KEY_OR_KERNEL: Final[Mapping[str, Connect]] = {"tcp": over_tcp, "local": over_local}
