"""An alarm that ends a function which does not return: a plugin that hangs, not the daemon.

SIGALRM interrupts what runs in the main thread, a sleep or a wait as well as a loop, and raises
there. A call into C that holds the interpreter is interrupted when it returns.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

LEAST: Final = 0.001


class HungError(BaseException):
    """A function took too long; no `except Exception` of its own catches it."""


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function that may take so long; the alarm of somebody else goes on afterwards.

    Raises:
        HungError: it took longer, and was interrupted. Outside of the main thread nothing is.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    armed = True

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        if armed:
            raise HungError(f"it did not return within {seconds:g} s")

    begin = time.monotonic()
    handler: Any = signal.signal(signal.SIGALRM, interrupt)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        try:
            return function()
        finally:
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            rest = max(left - (time.monotonic() - begin), LEAST)
            signal.setitimer(signal.ITIMER_REAL, rest, interval)
