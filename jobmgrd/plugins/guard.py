"""A loaded plugin behind a guard: whatever it does, the daemon goes on and says what happened.

An error, an answer that makes no sense, and a hook that takes too long are logged and counted, and
the job is treated as if the plugin had not spoken. After some of them in a row, or at once when it
hangs, the plugin is disabled.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pluggy
import structlog
from msgspec import Struct

from jobmgrd.plugins.alarm import HungError, within
from jobmgrd.plugins.answers import check
from jobmgrd.plugins.hooks import PROJECT, Hooks

log = structlog.get_logger()

BUDGET: Final = 0.1
"""Seconds that a hook may take; longer ones are counted as errors, but their answers hold."""
LIMIT: Final = 2.0
"""Seconds after which a hook hangs, and is interrupted."""
ERRORS_MAX: Final = 10
"""Errors in a row that disable a plugin."""
LOG_EVERY: Final = 10.0
"""Seconds between two log lines about one plugin."""

HOOKS: Final = tuple(name for name in vars(Hooks) if not name.startswith("_"))


class Source(Struct, frozen=True):
    """What is configured: a name of an entry point or "module:object", and its table."""

    load: str
    conf: Mapping[str, Any] = {}


class Counts(Struct):
    """What became of a plugin's hooks so far."""

    calls: int = 0
    errors: int = 0
    overruns: int = 0
    seconds: float = 0.0
    last_error: str = ""


class Plugin:
    """Asks the hooks of one plugin.

    Args:
        source: where it comes from.
        instance: the object with hooks.
        disabled: called when it is disabled.
        limit: seconds after which a hook is interrupted.

    Raises:
        ValueError: it has no hook, or one that does not exist or takes arguments that do not.
    """

    def __init__(
        self,
        source: Source,
        instance: object,
        disabled: Callable[[], None] = lambda: None,
        limit: float = LIMIT,
    ) -> None:
        self.source = source
        self.counts = Counts()
        self.disabled = False
        self._on_disabled = disabled
        self._limit = limit
        self._in_a_row = 0
        self._logged = float("-inf")
        self._path = f"{type(instance).__module__}:{type(instance).__qualname__}"
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(Hooks)
        try:
            manager.register(instance, source.load)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise ValueError(str(error).splitlines()[-1]) from error
        self._callers = {
            name: caller
            for name in HOOKS
            if (caller := getattr(manager.hook, name)).get_hookimpls()
        }
        if not self._callers:
            raise ValueError("it has no hooks: mark methods with jobmgrd.plugins.hookimpl")

    @property
    def name(self) -> str:
        """As it is configured."""
        return self.source.load

    @property
    def path(self) -> str:
        """The module and class that it comes from."""
        return self._path

    def has(self, hook: str) -> bool:
        """Whether it wants to be asked."""
        return hook in self._callers and not self.disabled

    def ask(self, hook: str, **arguments: Any) -> Any:  # noqa: ANN401 - each hook has its own
        """The answer of a hook, or None if it has none, or one that does not count."""
        if not self.has(hook):
            return None
        begin = time.perf_counter()
        self.counts.calls += 1
        try:
            answer = within(self._limit, partial(self._callers[hook], **arguments))
            check(hook, answer)
        except HungError as error:
            self._failed(hook, f"{error}, and was interrupted", hangs=True)
            return None
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, would end the daemon
            self._failed(hook, f"{type(error).__name__}: {error}")
            return None
        finally:
            seconds = time.perf_counter() - begin
            self.counts.seconds += seconds
        if seconds > BUDGET:
            self.counts.overruns += 1
            self._failed(hook, f"it took {seconds:.3f} s, more than {BUDGET:g} s")
        else:
            self._in_a_row = 0
        return answer

    def _failed(self, hook: str, reason: str, *, hangs: bool = False) -> None:
        self.counts.errors += 1
        self.counts.last_error = f"{hook}: {reason}"
        self._in_a_row += 1
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY:
            self._logged = now
            errors = self.counts.errors
            log.error("plugin.failed", plugin=self.name, hook=hook, reason=reason, errors=errors)
        if hangs or self._in_a_row >= ERRORS_MAX:
            self.disabled = True
            log.error("plugin.disabled", plugin=self.name, reason=self.counts.last_error)
            self._on_disabled()
