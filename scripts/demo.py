"""The demonstration that scripts/demo runs: real jobs, a killed daemon, a bounded history."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from jobmgrd.client import Client, ConnectionLostError, NoDaemonError
from protocol import jobid
from protocol.job import Result
from protocol.jobspec import from_command

JOBS: Final = 200
KEPT: Final = 60
KEPT_AFTER: Final = 20
TIMEOUT: Final = 90.0
ROW: Final = 10
CONFIG: Final = f"""
[heartbeat]
period = "500ms"
[job-manager]
inactive-num-limit = {KEPT}
[resource]
cores = 16
[daemon]
log-level = "warning"
"""
BIN: Final = Path(sys.executable).parent


class BrokenPromiseError(Exception):
    """Something that the demonstration promises did not hold."""


class Daemon:
    """A daemon process in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.rundir = directory / "run"
        self._directory = directory
        (directory / "jobmgrd.toml").write_text(CONFIG)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "--config": self._directory / "jobmgrd.toml",
            "--rundir": self.rundir,
            "--statedir": self._directory / "state",
        }
        argv = [str(part) for option in options.items() for part in option]
        self._process = await asyncio.to_thread(subprocess.Popen, [str(BIN / "jobmgrd"), *argv])
        await self.ping()
        say(f"jobmgrd runs (pid {self._process.pid})")

    async def ping(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                if self._process is not None and self._process.poll() is not None:
                    raise BrokenPromiseError("the daemon did not start")
                try:
                    async with Client(str(self.rundir)) as client:
                        await client.rpc("job-manager.ping")
                        return
                except (NoDaemonError, ConnectionLostError):
                    await asyncio.sleep(0.02)

    def end(self, signum: int) -> int:
        """Send a signal, and wait until it has ended."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(signum)
        return process.wait()


class PurgeWatcher:
    """Subscribes to purge events, again after the daemon was killed, and remembers them."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.announced: set[int] = set()
        self.batches: dict[int, int] = {}
        self.subscribed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with (
                    Client(self._uri) as client,
                    client.subscribe("job-purge-inactive") as events,
                ):
                    self.subscribed.set()
                    async for event in events:
                        self._take(event.payload)
            except (NoDaemonError, ConnectionLostError):
                self.subscribed.clear()
                await asyncio.sleep(0.02)

    def _take(self, payload: Mapping[str, Any]) -> None:
        jobs = payload["jobs"]
        self.announced.update(jobs)
        self.batches[payload["seq"]] = len(jobs)
        say(f"event: purge {payload['seq']} by {payload['reason']}, {len(jobs)} jobs:")
        for row in batched([jobid.encode(id, "f58") for id in jobs], ROW):
            say(f"  {' '.join(row)}")


def batched(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Rows of at most `size` ids."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def check(held: bool, text: str) -> None:
    """Print what held, or end the demonstration."""
    if not held:
        raise BrokenPromiseError(text)
    say(f"  ok: {text}")


def commands() -> Iterable[tuple[str, Sequence[str]]]:
    """Real processes of different kinds."""
    for n in range(JOBS):
        yield [
            ("short", ["true"]),
            ("short", ["sleep", "0.05"]),
            ("printing", ["sh", "-c", f"echo this is job {n}; echo and its stderr >&2"]),
            ("failing", ["sh", "-c", f"exit {1 + n % 100}"]),
            ("cancelled", ["sleep", "60"]),
        ][n % 5]


async def submit(client: Client) -> dict[int, str]:
    """Submit all jobs at once; the kind of each by id."""
    kinds, replies = [], []
    for kind, argv in commands():
        kinds.append(kind)
        request = {"jobspec": from_command(argv, cwd="/", environment={"PATH": "/usr/bin:/bin"})}
        replies.append(client.rpc("job-ingest.submit", request))
    ids = [reply["id"] for reply in await asyncio.gather(*replies)]
    return dict(zip(ids, kinds, strict=True))


async def until(text: str, condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition of the daemon, as a script would, within a bound."""
    async with asyncio.timeout(TIMEOUT):
        while not await condition():  # noqa: ASYNC110 - it looks at another process
            await asyncio.sleep(0.05)
    say(f"  ok: {text}")


def jobmgr(daemon: Daemon, *argv: str) -> str:
    """Run the command line as a user would, and show it."""
    say(f"$ jobmgr {' '.join(argv)}")
    done = subprocess.run(
        [str(BIN / "jobmgr"), "--uri", str(daemon.rundir), *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in (done.stdout + done.stderr).splitlines():
        say(f"  {line}")
    if done.returncode:
        raise BrokenPromiseError(f"jobmgr {argv[0]} ended with {done.returncode}")
    return done.stdout


async def kept(client: Client) -> dict[int, dict[str, Any]]:
    """The inactive jobs and their attributes, by id."""
    request = {"max_entries": 0, "attrs": ["result", "waitstatus"], "states": 64}
    reply = await client.rpc("job-list.list", request)
    return {job["id"]: job for job in reply["jobs"]}


async def run_jobs(daemon: Daemon) -> dict[int, str]:
    """Submit, cancel some, kill the daemon in the middle, start it again."""
    async with Client(str(daemon.rundir)) as client:
        jobs = await submit(client)
        check(len(jobs) == JOBS, f"{JOBS} jobs are submitted, each with an id of its own")
        victims = [id for id, kind in jobs.items() if kind == "cancelled"]
        await asyncio.gather(*(cancel(client, id) for id in victims))
        check(True, f"{len(victims)} of them are cancelled")

        async def some_ended() -> bool:
            stats = await client.rpc("job-manager.stats-get")
            return bool(stats["inactive_jobs"] + stats["purge"]["total"] >= JOBS // 4)

        await until("a part of them has ended", some_ended)
    daemon.end(signal.SIGKILL)
    say("killed the daemon with SIGKILL")
    await daemon.start()
    return jobs


async def cancel(client: Client, id: int) -> None:
    """Cancel a job."""
    await client.rpc(
        "job-manager.raise", {"id": id, "type": "cancel", "severity": 0, "note": "demo"}
    )


async def check_history(daemon: Daemon, watcher: PurgeWatcher, jobs: dict[int, str]) -> None:
    """All jobs ended, the history is at its limit, every other job was announced."""
    async with Client(str(daemon.rundir)) as client:

        async def settled() -> bool:
            stats = await client.rpc("job-manager.stats-get")
            return bool(stats["active_jobs"] == 0 and stats["inactive_jobs"] == KEPT)

        await until(f"all jobs have ended, {KEPT} are kept as [job-manager] asks", settled)
        history = await kept(client)

        async def announced() -> bool:
            return watcher.announced | set(history) >= set(jobs)

        await until("every job is either kept or was announced as purged", announced)
        check(not watcher.announced & set(history), "no job that is kept was announced")
        check(set(history) <= set(jobs), "no job is there that was not submitted")
        for id, job in history.items():
            expected = Result.CANCELED if jobs[id] == "cancelled" else None
            if expected is not None and job["result"] not in (expected, Result.FAILED):
                raise BrokenPromiseError(
                    f"job {id} was cancelled but its result is {job['result']}"
                )


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[PurgeWatcher]:
    """A daemon, and a watcher of its purges."""
    await daemon.start()
    watcher = PurgeWatcher(str(daemon.rundir))
    task = asyncio.create_task(watcher.run())
    try:
        await asyncio.wait_for(watcher.subscribed.wait(), TIMEOUT)
        yield watcher
    finally:
        task.cancel()
        code = daemon.end(signal.SIGTERM)
        say(f"the daemon stopped with {code}")


async def demonstrate(directory: Path) -> None:
    """The whole story."""
    daemon = Daemon(directory)
    async with running(daemon) as watcher:
        jobs = await run_jobs(daemon)
        await check_history(daemon, watcher, jobs)
        dry = jobmgr(daemon, "job", "purge", f"--num-limit={KEPT_AFTER}")
        check(f"{KEPT - KEPT_AFTER} of {KEPT}" in dry, "without --force nothing goes")
        wet = jobmgr(daemon, "job", "purge", f"--num-limit={KEPT_AFTER}", "--force")
        check(f"{KEPT_AFTER} remaining" in wet, "with --force the oldest go")

        async def heard() -> bool:
            return len(watcher.announced) == JOBS - KEPT_AFTER

        await until("and that purge was announced, too", heard)
        check(
            sorted(watcher.batches) == list(range(1, len(watcher.batches) + 1)),
            f"the {len(watcher.batches)} purge events are numbered without a gap",
        )
        jobmgr(daemon, "jobs", "-a", "-c", "5")
        jobmgr(daemon, "stats")


def main() -> int:
    """Run the demonstration in a directory that is removed afterwards."""
    try:
        with TemporaryDirectory(prefix="jobmgrd-demo-") as directory:
            asyncio.run(demonstrate(Path(directory)))
    except (BrokenPromiseError, TimeoutError) as error:
        say(f"FAILED: {error or 'something did not happen in time'}")
        return 1
    say("all of it held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
