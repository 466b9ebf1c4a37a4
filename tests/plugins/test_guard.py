"""A plugin behind its guard: it raises, hangs, and answers nonsense, and the caller goes on."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobmgrd.jobs.job import Job
from jobmgrd.plugins import ACCEPT, HOLD, JobView, Refuse, hookimpl
from jobmgrd.plugins import guard as guards
from jobmgrd.plugins.alarm import HungError, within
from jobmgrd.plugins.guard import ERRORS_MAX, Plugin, Source
from protocol import jobspec

SPEC = jobspec.from_command(["true"])
JOB = JobView(Job(1, jobspec.parse(SPEC), b"{}"))


class Answering:
    """A plugin whose hooks do what the test says."""

    def __init__(self, does: Callable[[], Any]) -> None:
        self.does = does

    @hookimpl
    def validate(self, job: JobView) -> Any:  # noqa: ANN401
        """See Hooks."""
        assert job is JOB
        return self.does()

    @hookimpl
    def priority(self) -> Any:  # noqa: ANN401
        """See Hooks; takes no argument."""
        return self.does()

    @hookimpl
    def dependency(self, value: str, scheme: str) -> Any:  # noqa: ANN401
        """See Hooks; takes some of the arguments."""
        assert (scheme, value) == ("s", "v")
        return self.does()

    @hookimpl
    def job_new(self, job: JobView) -> Any:  # noqa: ANN401
        """See Hooks."""
        assert job is JOB
        return self.does()


ARGUMENTS: dict[str, dict[str, Any]] = {
    "validate": {"job": JOB},
    "priority": {"job": JOB},
    "dependency": {"job": JOB, "scheme": "s", "value": "v", "keys": {}},
    "job_new": {"job": JOB},
}


def ask(plugin: Plugin, hook: str) -> Any:  # noqa: ANN401
    """Ask a hook as the daemon does."""
    return plugin.ask(hook, **ARGUMENTS[hook])


def raises(error: BaseException) -> Callable[[], None]:
    """A function that raises."""

    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("validate", None),
        ("validate", "no"),
        ("priority", 0),
        ("priority", 2**32 - 1),
        ("dependency", ACCEPT),
        ("dependency", HOLD),
        ("dependency", Refuse("no")),
        ("job_new", None),
    ],
)
def test_an_answer_that_makes_sense_is_given(hook: str, answer: object) -> None:
    """And nothing is counted against the plugin."""
    plugin = Plugin(Source("p"), Answering(lambda: answer))
    assert ask(plugin, hook) == answer
    assert (plugin.counts.calls, plugin.counts.errors) == (1, 0)


async def coroutine() -> None:
    """What an `async def` hook returns."""


@pytest.mark.parametrize(
    ("hook", "answer", "text"),
    [
        ("validate", "", "validate returned '', expected a line of text"),
        ("validate", False, "validate returned False, expected a line of text"),
        ("validate", "a\nb", r"validate returned 'a\nb', expected a line of text"),
        ("validate", "x" * 2000, "validate returned 'xxx"),
        ("priority", -1, "priority returned -1, expected an integer from 0 to 4294967295, or None"),
        ("priority", 2**32, "priority returned 4294967296, expected"),
        ("priority", True, "priority returned True, expected an integer"),
        ("priority", 1.0, "priority returned 1.0, expected an integer"),
        ("priority", float("nan"), "priority returned nan, expected an integer"),
        ("dependency", "HOLD", "dependency returned 'HOLD', expected ACCEPT, HOLD, Refuse"),
        ("dependency", Refuse(""), "dependency returned Refuse(text=''), expected"),
        ("job_new", 7, "job_new returned 7, expected None"),
    ],
)
def test_nonsense_is_no_answer_and_named(hook: str, answer: object, text: str) -> None:
    """With the hook, the value and what was expected."""
    plugin = Plugin(Source("p"), Answering(lambda: answer))
    with capture_logs() as logs:
        assert ask(plugin, hook) is None
    assert plugin.counts.errors == 1
    assert plugin.counts.last_error.startswith(f"{hook}: TypeError: {text}")
    (line,) = logs
    assert (line["event"], line["plugin"], line["hook"]) == ("plugin.failed", "p", hook)


def test_a_coroutine_is_no_answer() -> None:
    """Nobody would await it; that it was made is not complained about twice."""
    plugin = Plugin(Source("p"), Answering(coroutine))
    assert ask(plugin, "priority") is None
    assert "priority returned <coroutine object coroutine" in plugin.counts.last_error


@pytest.mark.parametrize(
    "error", [ValueError("why"), SystemExit("why"), KeyboardInterrupt("why"), RecursionError("why")]
)
def test_whatever_a_plugin_raises_is_no_answer(error: BaseException) -> None:
    """What would end the daemon, too."""
    plugin = Plugin(Source("p"), Answering(raises(error)))
    assert ask(plugin, "validate") is None
    assert plugin.counts.last_error == f"validate: {type(error).__name__}: why"


def spin() -> None:
    """Loop for ever, and swallow what can be."""
    while True:
        try:
            time.sleep(0.001)
        except Exception:  # noqa: BLE001, S112 - a bad plugin
            continue


@pytest.mark.parametrize("hang", [spin, lambda: time.sleep(60)])
def test_a_plugin_that_hangs_is_interrupted_and_disabled(hang: Callable[[], None]) -> None:
    """At once, since the daemon stands still meanwhile."""
    told: list[str] = []
    plugin = Plugin(Source("p"), Answering(hang), lambda: told.append("disabled"), limit=0.05)
    assert ask(plugin, "priority") is None
    assert plugin.disabled
    assert told == ["disabled"]
    assert plugin.counts.last_error == (
        "priority: it did not return within 0.05 s, and was interrupted"
    )
    assert ask(plugin, "priority") is None
    assert plugin.counts.calls == 1


def test_the_alarm_of_somebody_else_goes_on() -> None:
    """With the time that is left, and the handler that it had."""
    rang: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda signum, _frame: rang.append(signum))
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(HungError):
            within(0.02, lambda: time.sleep(60))
        assert within(0.02, lambda: 7) == 7
        assert not rang
        while not rang:
            time.sleep(0.01)
        assert rang == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, interval)


def test_a_slow_answer_holds_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of the plugin's, but not a wrong answer."""
    monkeypatch.setattr(guards, "BUDGET", -1.0)
    plugin = Plugin(Source("p"), Answering(lambda: 7))
    assert ask(plugin, "priority") == 7
    assert (plugin.counts.errors, plugin.counts.overruns) == (1, 1)


def test_errors_in_a_row_disable_a_plugin_and_a_success_forgives_them() -> None:
    """It is not asked any more; of many errors the log says one, and that it is disabled."""
    answers: list[object] = [*["x"] * (ERRORS_MAX - 1), 7, *["x"] * ERRORS_MAX]
    told: list[str] = []
    plugin = Plugin(Source("p"), Answering(lambda: answers.pop(0)), lambda: told.append("disabled"))
    with capture_logs() as logs:
        while answers:
            assert not plugin.disabled
            ask(plugin, "priority")
    assert plugin.disabled
    assert told == ["disabled"]
    assert not plugin.has("priority")
    assert ask(plugin, "priority") is None
    assert plugin.counts.calls == 2 * ERRORS_MAX
    assert [line["event"] for line in logs] == ["plugin.failed", "plugin.disabled"]


class NoHook:
    """It forgot to mark its method."""

    def priority(self) -> int:
        """No hook."""
        return 1


class WrongHook:
    """It marked one that does not exist."""

    @hookimpl
    def prioritise(self) -> int:
        """No hook."""
        return 1


class WrongArgument:
    """It wants something that the hook is not given."""

    @hookimpl
    def priority(self, job: JobView, queue: str) -> int:
        """No hook: there is no queue."""
        return len(queue) + job.id


@pytest.mark.parametrize(
    ("instance", "text"),
    [
        (NoHook(), "it has no hooks"),
        (WrongHook(), "unknown hook 'prioritise'"),
        (WrongArgument(), "{'queue'}"),
    ],
)
def test_a_plugin_that_could_never_work_is_refused(instance: object, text: str) -> None:
    """When it is loaded, with what is wrong."""
    with pytest.raises(ValueError, match=text):
        Plugin(Source("p"), instance)
