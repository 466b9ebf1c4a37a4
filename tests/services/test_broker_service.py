"""What flux's tools ask a broker: attributes, state, groups, modules, log lines, keys, a ping."""

import errno
import json
import logging
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
import structlog

from jobmgrd import logs
from jobmgrd.log_ring import LINE_MAX, RING, SIZE, LogRing
from jobmgrd.services.attr import Attr, attributes
from jobmgrd.services.broker import Broker
from jobmgrd.services.history import History
from jobmgrd.services.kvs import READDIR, Kvs
from jobmgrd.services.log import Log
from jobmgrd.services.method import Methods
from jobmgrd.services.module import Modules
from protocol import jobid
from protocol.message import ROLE_USER, Cred, Request
from tests.services.bench import GUEST, OWNER, USERID, Bench, Peer

HOSTS = {0: "a0", 1: "a1"}
USER = Cred(USERID, ROLE_USER)


class BrokerBench(Bench):
    """A bench with a log of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = LogRing()


@pytest.fixture
async def bench() -> BrokerBench:
    """A daemon without sockets, with these services."""
    made = BrokerBench()
    await made.boot()
    router = made.router
    router.add(Attr(attributes(HOSTS, 7, Path("/run/x"), Path("/state/x"))))
    router.add(Broker(router, HOSTS, lambda: 5.0))
    router.add(History(made.engine, made.store))
    router.add(Kvs(lambda: b'{"version":1}', made.job_info.lookup))
    router.add(Log(made.ring, router))
    methods = Methods(router)
    router.add(Modules(methods.services))
    router.add(methods)
    return made


class TestAttributes:
    """attr.c."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("size", "2"),
            ("rank", "0"),
            ("hostlist", "a[0-1]"),
            ("security.owner", "7"),
            ("local-uri", "local:///run/x/local"),
            ("instance-level", "0"),
            ("broker.mapping", "[[0,2,1,1]]"),
        ],
    )
    async def test_a_value_is_a_string(self, bench: BrokerBench, name: str, value: str) -> None:
        """Numbers, too; the flag lets a client keep it."""
        assert await bench.ask("attr.get", {"name": name}) == {"value": value, "flags": 1}

    async def test_every_listed_attribute_has_a_value(self, bench: BrokerBench) -> None:
        """`flux lsattr -v` asks for each."""
        names = (await bench.ask("attr.list", {}))["names"]
        assert names == sorted(names)
        for name in names:
            assert (await bench.ask("attr.get", {"name": name}))["value"]

    async def test_an_unknown_one_is_ENOENT(self, bench: BrokerBench) -> None:  # noqa: N802
        """Clients take it for an attribute that is not set."""
        assert (await bench.ask("attr.get", {"name": "no.such"}))[0] == errno.ENOENT

    async def test_none_can_be_changed(self, bench: BrokerBench) -> None:
        """Nor does a change look as if it had worked."""
        change = {"name": "size", "value": "3"}
        refused = errno.EPERM, "attribute may not be updated"
        assert await bench.ask("attr.set", change) == refused
        assert (await bench.ask("attr.rm", {"name": "no.such"}))[0] == errno.ENOENT


class TestState:
    """state-machine.get and groups.get, as `flux uptime` uses them."""

    async def test_the_daemon_runs(self, bench: BrokerBench) -> None:
        """For as long as it has."""
        assert await bench.ask("state-machine.get", {}) == {"state": "run", "duration": 0.0}

    async def test_all_ranks_are_online_and_none_is_torpid(self, bench: BrokerBench) -> None:
        """Groups of the broker; others do not exist."""
        assert await bench.ask("groups.get", {"name": "broker.online"}) == {"members": "0-1"}
        assert await bench.ask("groups.get", {"name": "broker.torpid"}) == {"members": ""}
        assert (await bench.ask("groups.get", {"name": "mine"}))[0] == errno.ENOENT

    async def test_a_watcher_of_a_group_hears_of_no_change(self, bench: BrokerBench) -> None:
        """The stream stays open until it is cancelled."""
        peer = Peer()
        tag = bench.send(peer, "groups.get", {"name": "broker.online"}, stream=True)
        assert peer.values(tag) == [{"members": "0-1"}]
        assert peer.end(tag) is None
        bench.send(peer, "groups.get-cancel", {"matchtag": tag})
        assert peer.end(tag) == (errno.ENODATA, "")


class TestModules:
    """Every service is a module to clients, and answers what modules answer."""

    async def test_services_are_listed_as_modules(self, bench: BrokerBench) -> None:
        """With the state that `flux module list` prints as R."""
        mods = (await bench.ask("module.list", {}))["mods"]
        assert {"attr", "broker", "job-info", "job-manager", "log"} <= {m["name"] for m in mods}
        assert {m["status"] for m in mods} == {1}

    async def test_each_answers_ping_with_what_was_sent(self, bench: BrokerBench) -> None:
        """flux-ping refuses an answer that lacks one of these."""
        for mod in (await bench.ask("module.list", {}))["mods"]:
            pong = await bench.ask(f"{mod['name']}.ping", {"seq": 1, "pad": "xx"}, GUEST)
            assert (pong["seq"], pong["pad"], pong["rank"]) == (1, "xx", 0)
            assert (pong["userid"], pong["rolemask"]) == (GUEST.userid, GUEST.rolemask)
            assert pong["route"]

    async def test_each_answers_rusage_and_stats(self, bench: BrokerBench) -> None:
        """A service's own stats-get is left to it."""
        assert (await bench.ask("attr.rusage", {}))["maxrss"] > 0
        assert (await bench.ask("attr.rusage", {"who": "you"}))[0] == errno.EINVAL
        before = (await bench.ask("attr.stats-get", {}))["requests"]
        assert (await bench.ask("attr.stats-get", {}))["requests"] == before + 1

    async def test_nothing_is_loaded(self, bench: BrokerBench) -> None:
        """ENOSYS, and why."""
        errnum, text = await bench.ask("module.load", {"path": "x"})
        assert errnum == errno.ENOSYS
        assert text == "module.load: jobmgrd's services are not modules"


LINE = b"<40>1 2026-01-01T00:00:00Z 0 logger - - - hello\0"


def append(
    bench: BrokerBench, peer: Peer, line: bytes, cred: Cred = OWNER, matchtag: int = 1
) -> None:
    """Send a line as libflux does: no JSON."""
    bench.router.dispatch(Request("log.append", line, cred, matchtag=matchtag), peer)


class TestLog:
    """log.c: the ring of lines."""

    async def test_a_line_of_a_client_is_kept_as_it_is(self, bench: BrokerBench) -> None:
        """A dmesg is a stream of the lines, each with its NUL."""
        peer = Peer()
        append(bench, peer, LINE)
        tag = bench.send(peer, "log.dmesg", {"follow": False}, stream=True)
        first, *lines, end = [response.payload for response in peer.received]
        assert (first, lines, end) == (None, [LINE], None)
        assert peer.end(tag) == (errno.ENODATA, "")

    async def test_a_line_without_a_matchtag_is_not_answered(self, bench: BrokerBench) -> None:
        """Clients send log lines so, and would take the answer for somebody else's."""
        peer = Peer()
        append(bench, peer, LINE, matchtag=0)
        assert peer.received == []
        assert bench.ring.lines == [LINE[:-1]]

    @pytest.mark.parametrize("line", [b"", b"\0", b"no priority\0", b'{"a":1}\0'])
    async def test_what_is_no_line_is_refused(self, bench: BrokerBench, line: bytes) -> None:
        """And not shown to others."""
        peer = Peer()
        append(bench, peer, line)
        assert peer.received[0].errnum == errno.EPROTO
        assert bench.ring.lines == []

    async def test_guests_neither_read_nor_write(self, bench: BrokerBench) -> None:
        """The log tells of other users' jobs."""
        peer = Peer()
        append(bench, peer, LINE, GUEST)
        bench.send(peer, "log.dmesg", {"follow": False}, cred=GUEST, stream=True)
        assert [response.errnum for response in peer.received] == [errno.EPERM] * 2

    async def test_a_follower_sees_what_comes_until_it_goes(self, bench: BrokerBench) -> None:
        """Only new lines if it wants no others."""
        peer = Peer()
        bench.ring.add(b"<40>1 before")
        follow = {"follow": True, "nobacklog": True}
        tag = bench.send(peer, "log.dmesg", follow, stream=True)
        bench.ring.add(b"<40>1 after")
        bench.send(peer, "log.dmesg-cancel", {"matchtag": tag})
        bench.ring.add(b"<40>1 too late")
        assert [response.payload for response in peer.of(tag)] == [b"<40>1 after\0", None]

    async def test_a_follower_that_has_gone_is_shown_nothing_more(self, bench: BrokerBench) -> None:
        """That it has gone is logged, which must not be shown to it in turn."""
        peer = Peer(bound=1)
        bench.send(peer, "log.dmesg", {"follow": True}, stream=True)
        bench.ring.add(b"<40>1 seen")
        bench.ring.add(b"<40>1 lost")
        assert bench.router.streams == 0
        assert len(peer.received) == 1

    async def test_clearing_forgets(self, bench: BrokerBench) -> None:
        """`flux dmesg -C`."""
        bench.ring.add(b"<40>1 x")
        await bench.ask("log.clear", {})
        assert bench.ring.lines == []


class TestRing:
    """What becomes of the daemon's own events."""

    def test_an_event_is_a_line(self) -> None:
        """The part before the dot is the app, the severity is in the priority's upper bits."""
        logs.configure("info", "json")
        RING.clear()
        structlog.get_logger().warning("store.slow", seconds=1.5, name="a\0b")
        (line,) = RING.lines
        assert line.startswith(b"<32>1 20")
        assert line.endswith(b" 0 store - - - slow seconds=1.5 name='a\\x00b'")

    def test_what_the_level_hides_is_not_kept(self) -> None:
        """`[daemon] log-level` holds here, too."""
        logs.configure("error", "json")
        RING.clear()
        structlog.get_logger().info("a.b")
        logging.getLogger("lib").error("failed")
        logs.configure("info", "json")
        assert [line.split(b" - - - ")[1].split()[0] for line in RING.lines] == [b"stdlib"]

    def test_it_is_bounded(self) -> None:
        """In lines, and in the length of each."""
        ring = LogRing()
        for n in range(SIZE + 10):
            ring.add(b"%d" % n + b"x" * LINE_MAX)
        assert len(ring.lines) == SIZE
        assert ring.lines[0].startswith(b"10x")
        assert len(ring.lines[0]) == LINE_MAX

    def test_a_listener_that_logs_is_shown_its_line_after_this_one(self) -> None:
        """And not again and again."""
        ring, seen = LogRing(), list[bytes]()

        def listen(line: bytes) -> None:
            if not seen:
                ring.add(b"answer")
            seen.append(line)

        ring.listen(1, listen)
        ring.add(b"call")
        assert seen == [b"call", b"answer"]


class TestHistory:
    """plugins/history.c: `flux job last`."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("[:1]", [4]),
            ("[:2]", [4, 3]),
            ("[1:3]", [3, 2]),
            ("[:]", [4, 3, 2, 1]),
            ("[-1:]", [1]),
            ("[::-1]", [1, 2, 3, 4]),
            ("[::2]", [4, 2]),
            ("[9:]", []),
        ],
    )
    async def test_jobs_come_the_newest_first(
        self, bench: BrokerBench, text: str, expected: list[int]
    ) -> None:
        """Active or not, as Python slices them."""
        for _ in range(3):
            await bench.ended()
        await bench.started()
        reply = await bench.ask("job-manager.history.get", {"slice": text}, USER)
        assert reply == {"jobs": expected}

    async def test_jobs_of_others_are_not_among_them(self, bench: BrokerBench) -> None:
        """Everyone has a history of their own."""
        await bench.ended()
        assert await bench.ask("job-manager.history.get", {"slice": "[:]"}, GUEST) == {"jobs": []}

    @pytest.mark.parametrize(
        "text", ["", "3", "[]", "[a:b]", "[::0]", "[1:2:3:4]", "[:" + "9" * 99]
    )
    async def test_what_is_no_slice_is_EINVAL(self, bench: BrokerBench, text: str) -> None:  # noqa: N802
        """flux-core's words."""
        reply = await bench.ask("job-manager.history.get", {"slice": text})
        assert reply == (errno.EINVAL, "could not parse python-style slice expression")


class TestKvs:
    """The keys that clients read: RFC 11 values."""

    async def test_the_resources_are_a_key(self, bench: BrokerBench) -> None:
        """`flux top` reads the time at which they expire there."""
        reply = await bench.ask("kvs.lookup", {"key": "resource.R", "namespace": "primary"})
        data = b64encode(b'{"version":1}').decode()
        assert reply == {"val": {"ver": 1, "type": "val", "data": data}}

    async def test_a_job_has_a_directory_of_keys(self, bench: BrokerBench) -> None:
        """RFC 16: by its id in four parts."""
        id = await bench.ended()
        directory = f"job.{jobid.encode(id, 'dothex')}"
        value = (await bench.ask("kvs.lookup", {"key": f"{directory}.jobspec"}))["val"]
        assert json.loads(b64decode(value["data"]))["tasks"][0]["command"] == ["true"]
        value = (await bench.ask("kvs.lookup", {"key": f"{directory}.guest.exec.eventlog"}))["val"]
        assert b'"init"' in b64decode(value["data"])

    @pytest.mark.parametrize(
        "key", ["a", "job", "job.1.R", "job.0000.0000.0000.0099.R", "job.0000.0000.0000.0001.no"]
    )
    async def test_other_keys_do_not_exist(self, bench: BrokerBench, key: str) -> None:
        """Nor do jobs that never were."""
        await bench.ended()
        assert (await bench.ask("kvs.lookup", {"key": key}))[0] == errno.ENOENT

    async def test_what_is_not_served_says_so(self, bench: BrokerBench) -> None:
        """Directories, other namespaces; and guests are refused as by a broker."""
        listing = {"key": ".", "flags": READDIR}
        assert (await bench.ask("kvs.lookup", listing))[0] == errno.ENOSYS
        other = {"key": "a", "namespace": "job-1"}
        assert (await bench.ask("kvs.lookup", other))[0] == errno.ENOTSUP
        assert (await bench.ask("kvs.lookup", {"key": "resource.R"}, GUEST))[0] == errno.EPERM
