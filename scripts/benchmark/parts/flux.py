"""flux-core's line beside ours, where there is a `flux`: the same jobs, history left to grow."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from scripts.benchmark.daemon import CORES
from scripts.benchmark.errors import SkipError
from scripts.benchmark.figures import Reading
from scripts.benchmark.run import Case, Run

BATCHES, QUICK_BATCHES = 8, 2
JOBS: Final = 1024
TIMEOUT: Final = 600.0
_CONFIG: Final = f"""
[resource]
noverify = true
[[resource.config]]
hosts = "{socket.gethostname()}"
cores = "0-{CORES - 1}"
"""
_SCRIPT: Final = """
date +%s.%N
for batch in $(seq "$1"); do
    flux submit --quiet --wait --cc=1-"$2" --setattr=system.exec.test.run_duration=0.001s true
    date +%s.%N
done
"""


def cases() -> Sequence[Case]:
    """One instance and some batches in it; none where flux is not installed."""
    return [Case("flux-core", measure, slow=True)] if shutil.which("flux") else []


def measure(run: Run) -> Sequence[Reading]:
    """Jobs a second of each batch; those before it are kept.

    N.B. one instance of one broker, as `flux start` makes it, with the cores that our daemon has.

    Raises:
        SkipError: this flux does not do it.
    """
    batches = QUICK_BATCHES if run.quick else BATCHES
    with tempfile.TemporaryDirectory(prefix="jmb-") as directory:
        config = Path(directory, "resource.toml")
        config.write_text(_CONFIG)
        argv = ["flux", "start", f"--config-path={directory}", "sh", "-e", "-c", _SCRIPT]
        argv += ["sh", str(batches), str(JOBS)]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise SkipError(f"flux start: {error}") from error
    times = [float(line) for line in done.stdout.splitlines()]
    return [
        Reading(f"flux-core job/s, {n * JOBS:,} kept", JOBS / (end - begin), "job/s")
        for n, (begin, end) in enumerate(pairwise(times))
    ]
