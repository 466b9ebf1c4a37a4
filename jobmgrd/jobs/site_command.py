"""A command of the site that runs around jobs."""

from msgspec import Struct


class SiteCommand(Struct, frozen=True):
    """Its words, and how long it may run. Times are seconds; a `timeout` of 0.0 is none."""

    command: tuple[str, ...]
    timeout: float
    kill_timeout: float  # from SIGTERM to SIGKILL
    cancel_on_exception: bool = False
