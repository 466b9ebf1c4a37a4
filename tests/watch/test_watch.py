"""jobmgr watch, driven as a person would, beside a real daemon."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Static

from jobmgrd.client import Client
from jobmgrd.watch.app import Watch
from tests.conftest import DaemonProcess
from tests.e2e.jobs import QUEUES, real, run_jobs, simulated, start_queues, submit

if TYPE_CHECKING:
    from textual.pilot import Pilot

SIZE = (110, 32)
INTERVAL = 0.1


def watch(daemon: DaemonProcess) -> Watch:
    """The screen, not yet running."""
    return Watch(lambda: Client(daemon.uri), INTERVAL)


def text(app: Watch, panel: str) -> str:
    """What a panel shows."""
    static = app.query_one(f"#{panel}", Static)
    lines = [static.render_line(y).text for y in range(static.size.height)]
    return "\n".join(lines)


async def until(pilot: "Pilot[None]", shown: Callable[[], object]) -> None:
    """Wait until something is shown."""
    async with asyncio.timeout(20):
        while not shown():
            await pilot.pause(0.02)


def number(app: Watch, panel: str, name: str) -> str:
    """The number beside a name."""
    found = re.search(rf"\b{name}\s+([\d,.]+)", text(app, panel))
    return found[1] if found else ""


async def test_numbers_follow_the_jobs(shared_daemon: DaemonProcess) -> None:
    """States, results, throughput and the latest events, the newest on top."""
    app = watch(shared_daemon)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: number(app, "states", "ended") == "0")
        await asyncio.to_thread(run_jobs, shared_daemon, 3)
        (failed,) = await asyncio.to_thread(submit, shared_daemon, real("false"))
        await until(pilot, lambda: number(app, "states", "failed") == "1")
        await until(pilot, lambda: "exit 1" in text(app, "events"))
        assert number(app, "states", "inactive") == "4"
        assert number(app, "states", "completed") == "3"
        assert text(app, "events").splitlines()[0].split()[2:] == ["finish", "exit", "1"]
        assert failed
        assert shared_daemon.uri in text(app, "title")
        await pilot.press("c")
        await until(pilot, lambda: "exit 1" not in text(app, "events"))
        shared_daemon.rpc("job-manager.purge", {"num_limit": 0, "force": True})
        await until(pilot, lambda: "4 jobs purge" in text(app, "events"))
        await until(pilot, lambda: number(app, "states", "purged") == "4")
        assert number(app, "states", "ended") == "4"


async def test_a_pause_lets_the_screen_stand_still(shared_daemon: DaemonProcess) -> None:
    """And what came meanwhile is shown after it."""
    app = watch(shared_daemon)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: number(app, "states", "run") == "0")
        await pilot.press("p")
        await until(pilot, lambda: "paused" in text(app, "title"))
        submit(shared_daemon, simulated("1h"))
        await until(pilot, lambda: app._last and app._last.jobs.job_states["run"])
        app._draw()  # as the clock would
        assert number(app, "states", "run") == "0"
        await pilot.press("p")
        await until(pilot, lambda: number(app, "states", "run") == "1")
        await pilot.press("q")
    assert app.return_code == 0


async def test_queues_have_a_row_each(stopped_daemon: DaemonProcess) -> None:
    """Below that of all jobs."""
    stopped_daemon.configure(QUEUES)
    stopped_daemon.start()
    start_queues(stopped_daemon)
    submit(stopped_daemon, simulated("1h"))
    app = watch(stopped_daemon)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "plain" in text(app, "queues"))
        rows = [line.split() for line in text(app, "queues").splitlines() if line.strip()]
        assert rows[0][-5:] == ["queue", "pending", "running", "inactive", "failed"]
        assert ["all", "0", "1", "0", "0"] in rows
        assert ["plain", "0", "1", "0", "0"] in rows


async def test_a_small_terminal_cuts_no_number(shared_daemon: DaemonProcess) -> None:
    """All is there in 80 columns and 24 lines; an event may be cut, and has one line."""
    app = watch(shared_daemon)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: number(app, "states", "ended"))
        await asyncio.to_thread(run_jobs, shared_daemon, 2)
        await until(pilot, lambda: text(app, "events").count("finish") == 2)
        for panel in ("states", "speed", "purging", "queues"):
            assert "…" not in text(app, panel)
        assert "store" in text(app, "purging")
        assert "events" in text(app, "speed")
        lines = [line for line in text(app, "events").splitlines() if line.strip()]
        assert all(line.lstrip()[2] == ":" for line in lines)


async def test_a_daemon_that_goes_is_said_and_waited_for(stopped_daemon: DaemonProcess) -> None:
    """The screen may be there before the daemon, and stays over a restart."""
    app = watch(stopped_daemon)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "No such file" in text(app, "title"))
        await asyncio.to_thread(stopped_daemon.start)
        await until(pilot, lambda: number(app, "states", "ended") == "0")
        stopped_daemon.kill()
        await until(pilot, lambda: "no jobmgrd" in text(app, "title"))
        await asyncio.to_thread(stopped_daemon.start)
        await asyncio.to_thread(run_jobs, stopped_daemon, 1)
        await until(pilot, lambda: number(app, "states", "ended") == "1")
        assert "no jobmgrd" not in text(app, "title")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--interval", "0"], 2, "--interval is at least 0.1s"),
        (["--interval", "soon"], 2, "invalid"),
        ([], 1, "jobmgr: watch needs a terminal"),
    ],
)
def test_what_cannot_be_watched_is_refused(arguments: list[str], code: int, said: str) -> None:
    """Before anything is drawn."""
    argv = [sys.executable, "-m", "jobmgrd.cli.jobmgr", "watch", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr


def test_without_textual_it_says_what_to_install() -> None:
    """The extra is not there unless it was asked for."""
    code = (
        "import sys; sys.modules['textual'] = None; sys.stdout.isatty = lambda: True\n"
        "from jobmgrd.cli.jobmgr import main; main()"
    )
    argv = [sys.executable, "-c", code, "watch"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "jobmgr: watch needs Textual: pip install 'jobmgrd[top]'\n"
