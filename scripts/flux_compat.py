"""Runs the rows of flux_compat.toml with the flux on PATH, and says which do as they say there.

`--table` prints the rows as docs/flux.md has them, and runs nothing.
"""

import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from msgspec import Struct

TABLE: Final = Path(__file__).with_suffix(".toml")
CONFIG: Final = "[resource]\ncores = 4\n"
ROW_TIMEOUT: Final = 60.0
START_TIMEOUT: Final = 20.0


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the table, explained in its file."""

    command: str
    run: str
    exit: int | None = None
    prints: Sequence[str] = ()
    differs: str = ""
    served: bool = True

    @property
    def standing(self) -> str:
        """What the documentation says of it."""
        if not self.served:
            return "not served"
        return "differs" if self.differs else "works"

    def fault(self, code: int, output: str) -> str:
        """What is not as the row says; empty if all is."""
        expected = self.exit if self.exit is not None or not self.served else 0
        if expected is None and code == 0:
            return "it exits with 0, expected an error"
        if expected is not None and code != expected:
            return f"it exits with {code}, expected {expected}"
        missing = [text for text in self.prints if not re.search(text, output, re.MULTILINE)]
        return f"it does not print {missing[0]!r}" if missing else ""


def rows(words: Sequence[str] = ()) -> Sequence[Row]:
    """The rows whose command has one of the words; all without any."""
    table = tomllib.loads(TABLE.read_text())["row"]
    made = msgspec.convert(table, list[Row])
    return [row for row in made if not words or any(word in row.command for word in words)]


def markdown() -> Iterator[str]:
    """The table for the documentation."""
    yield "| command | | what differs |"
    yield "| --- | --- | --- |"
    for row in rows():
        yield f"| `{row.command}` | {row.standing} | {row.differs} |"


@contextmanager
def daemon() -> Iterator[Path]:
    """A daemon in a directory of its own; its socket for flux.

    Raises:
        TimeoutError: it does not start.
    """
    with TemporaryDirectory(prefix="flux-compat-") as directory:
        home = Path(directory)
        (home / "jobmgrd.toml").write_text(CONFIG)
        argv = [str(Path(sys.executable).with_name("jobmgrd")), "--config", "jobmgrd.toml"]
        argv += ["--rundir", str(home / "run"), "--statedir", str(home / "state")]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(argv, cwd=home, stdout=log, stderr=log)
        try:
            path = home / "run" / "local"
            deadline = time.monotonic() + START_TIMEOUT
            while not path.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise TimeoutError((home / "log").read_text())
                time.sleep(0.05)
            yield path
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)


def run(row: Row, path: Path) -> tuple[str, str]:
    """Run a row; what is at fault, and what it has printed."""
    environ = os.environ | {"FLUX_URI": f"local://{path}"}
    argv = ["bash", "-c", row.run]
    try:
        done = subprocess.run(
            argv,
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ROW_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return f"it has not ended after {ROW_TIMEOUT:.0f} s", (error.stdout or b"").decode()
    output = done.stdout.decode(errors="replace")
    return row.fault(done.returncode, output), output


def main(words: Sequence[str]) -> int:
    """Run rows, and print how each went; the exit code."""
    if words == ["--table"]:
        print("\n".join(markdown()))
        return 0
    faults = 0
    with daemon() as path:
        for row in rows(words):
            fault, output = run(row, path)
            print(f"{'FAIL' if fault else 'ok':4}  {row.standing:10}  {row.command}", flush=True)
            if fault:
                faults += 1
                print(f"      {fault}; it prints:")
                print("".join(f"      | {line}\n" for line in output.splitlines()[-20:]), end="")
    print(f"{faults} of {len(rows(words))} rows are not as the table says")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
