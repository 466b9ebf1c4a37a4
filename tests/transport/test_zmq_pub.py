"""The PUB socket: a subscriber that does not read loses events, which is counted; others do not."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from tempfile import TemporaryDirectory

import pytest
import zmq

from jobmgrd.publisher import Publisher
from jobmgrd.transport import zmq_pub
from jobmgrd.transport.zmq_pub import ZmqPub
from protocol.events import READY
from protocol.message import ROLE_OWNER, Cred, Event, decode

CRED = Cred(1, ROLE_OWNER)
HWM = 100
tokens = itertools.count()


@pytest.fixture
async def pub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ZmqPub]:
    """A socket that is bound in a directory of its own."""
    monkeypatch.setattr(zmq_pub, "SEND_HWM", HWM)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with TemporaryDirectory(prefix="jm-") as directory:
        made = ZmqPub(context, [f"ipc://{directory}/events"], CRED)
        made.open()
        yield made
        made.close()
        context.destroy(linger=0)


async def subscribed(pub: ZmqPub, hwm: int) -> "zmq.Socket[bytes]":
    """A subscriber whose subscription is in effect; it queues so many events."""
    subscriber: zmq.Socket[bytes] = pub.socket.context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.RCVHWM, hwm)
    subscriber.setsockopt(zmq.RCVTIMEO, 20_000)
    subscriber.connect(pub._endpoints[0])
    for topic in ("news", f"{READY}.{next(tokens)}"):
        subscriber.setsockopt_string(zmq.SUBSCRIBE, topic)
    await asyncio.to_thread(subscriber.recv_multipart)
    return subscriber


async def test_an_event_that_somebody_loses_is_counted(pub: ZmqPub) -> None:
    """Whoever reads gets every event, in order; nobody is waited for."""
    publisher = Publisher(CRED)
    publisher.add(pub)
    sleeper = await subscribed(pub, hwm=1)
    reader = await subscribed(pub, hwm=0)

    def publish(topic: str) -> None:
        publisher.publish(topic, {"text": "x" * 50_000})
        if topic == "news":
            event = decode(reader.recv_multipart())
            assert isinstance(event, Event)
            assert event.sequence == publisher.sequence

    while not pub.overflows:
        publish("news")
        assert publisher.sequence < 20 * HWM
    before = pub.overflows
    publish("else")
    assert pub.overflows == before
    for socket in (reader, sleeper):
        socket.close(linger=0)
