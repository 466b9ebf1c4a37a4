"""The atheris command: bytes that grow by what they reach, held to the laws of tests/fuzz.

Each target runs in a process of its own (libFuzzer ends it), and goes on with what its last run
reached, which is kept in .atheris/TARGET. What breaks a law goes to tests/fuzz/found/TARGET, where
the tests try it from then on.
"""

import hashlib
import json
import subprocess
import sys
from contextlib import suppress
from typing import Final

import click

from scripts.faults.crash import thrown
from scripts.faults.daemon import ROOT
from scripts.faults.values import wrong
from tests.fuzz.targets import FOUND, TARGETS, Form

KEPT: Final = ROOT / ".atheris"
INSTRUMENTED: Final = ["protocol", "jobmgrd", "tomli", "json.decoder", "shlex"]
SIZE_MAX: Final = 8192
"""Bytes of what is tried."""
TIME_MAX: Final = 5
"""Seconds that one of them may take."""
MEMORY_MAX: Final = 1024
"""MiB of the process, with all that is instrumented."""


def grow(name: str, arguments: list[str]) -> None:
    """Try one target in this process, which libFuzzer ends."""
    import atheris  # noqa: PLC0415 - an extra, and it changes what is imported after it

    for module in [m for m in sys.modules if m.split(".")[0] in {"protocol", "jobmgrd", "tests"}]:
        del sys.modules[module]
    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - again, instrumented
    target = TARGETS[name]
    more = {}
    if target.form.value == Form.JSON.value:
        more["custom_mutator"] = mutated
    atheris.Setup([name, *arguments], target.law, enable_python_coverage=True, **more)
    atheris.Fuzz()


def mutated(data: bytes, size: int, seed: int) -> bytes:
    """JSON with a value changed, or as often with some of its bytes."""
    import atheris  # noqa: PLC0415 - as above; Fuzz() puts another Mutate in its place

    dice = thrown(seed)
    if dice.random() < 0.5:  # noqa: PLR2004 - as often
        with suppress(ValueError, RecursionError):
            changed = json.dumps(wrong(dice, json.loads(data)), default=str).encode()
            if len(changed) <= size:
                return changed
    return bytes(atheris.Mutate(data, size))


def run(name: str, seconds: int, runs: int) -> bool:
    """Run one target in a process of its own; whether its law held."""
    corpus, broken = KEPT / name, KEPT / f"{name}.broken"
    for directory in (corpus, broken):
        directory.mkdir(parents=True, exist_ok=True)
    kept = [path.read_bytes() for path in (FOUND / name).glob("*")]
    for seed in (*TARGETS[name].seeds, *kept):
        (corpus / _digest(seed)).write_bytes(seed)
    for path in broken.iterdir():  # of an earlier run, and among those that are kept
        path.unlink()
    argv = [sys.executable, "-m", "scripts.faults.guided", "--grow", name]
    options = {
        "max_total_time": seconds,
        "runs": runs,
        "max_len": SIZE_MAX,
        "timeout": TIME_MAX,
        "rss_limit_mb": MEMORY_MAX,
        "artifact_prefix": f"{broken}/",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    argv += [f"-{option}={value}" for option, value in options.items()]
    done = subprocess.run(
        [*argv, str(corpus)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    tried = next(
        (line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed" in line), "?"
    )
    found = sorted(broken.iterdir())
    outcome = (
        "the law is broken" if found else "it did not run" if done.returncode else "the law held"
    )
    click.echo(
        f"{name}: {tried} tried, {len(list(corpus.iterdir()))} kept to go on with, {outcome}"
    )
    for path in found:
        data = path.read_bytes()
        place = FOUND / name / _digest(data)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        click.echo(f"  {path.name.partition('-')[0]}: {data[:200]!r}\n  kept in {place}")
    if done.returncode:
        said = (done.stderr + done.stdout).splitlines()
        click.echo("\n".join([line for line in said if not line.startswith("INFO:")][-60:]))
    return done.returncode == 0


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[TARGET]...", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option(
    "--seconds",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="For each; 0 is ever.",
)
@click.option("--runs", type=int, default=-1, show_default=True, help="For each; -1 is any number.")
@click.option("--list", "list_", is_flag=True, help="Name the targets.")
def main(names: tuple[str, ...], seconds: int, runs: int, *, list_: bool) -> None:
    """Look for bytes that break the law of a reader; all readers in turn if none is named.

    Ends with 1 if a law is broken: by an error that is not documented, a value that does not hold,
    more than 5 seconds, or more than a GiB.
    """
    if list_:
        click.echo(
            "\n".join(
                f"{name}: {target.law.__doc__.splitlines()[0]}" for name, target in TARGETS.items()
            )
        )
        return
    held = [run(name, seconds, runs) for name in names or TARGETS]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--grow"]:
        grow(sys.argv[2], sys.argv[3:])
    main(prog_name="scripts/atheris")
