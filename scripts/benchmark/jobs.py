"""The jobs that are submitted: simulated ones of a millisecond, and real ones that do nothing."""

from typing import Any, Final

from protocol.jobspec import from_command

BATCH: Final = 4096
QUICK_BATCH: Final = 2048
"""Jobs submitted at once; only the part "throughput" submits all of them in a quick run, too."""


def simulated() -> dict[str, Any]:
    """A jobspec whose job is a timer of 1 ms."""
    test = {"system.exec.test.run_duration": "0.001s"}
    return from_command(["true"], cwd="/tmp", environment=ENVIRONMENT, attributes=test)  # noqa: S108


def real() -> dict[str, Any]:
    """A jobspec whose job runs true."""
    return from_command(["true"], cwd="/", environment=ENVIRONMENT)


ENVIRONMENT: Final = {
    "HOME": "/home/user",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "SHELL": "/bin/sh",
    "USER": "user",
}
