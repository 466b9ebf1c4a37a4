"""A progress bar on a terminal; nothing anywhere else."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(
    label: str, total: Callable[[], int], *, hidden: bool = False, rate: str = ""
) -> Iterator[Callable[[int], None]]:
    """A bar while the block runs, gone after it. Yields a function that advances it by a number.

    `total` is asked only if there is a bar; there is none if it is `hidden`, as where lines are
    printed meanwhile. `rate` is what is counted a second, such as "job/s"; "" shows no rate.
    """
    if hidden or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich takes long to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[r]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total(), r="")
        start, all_done = time.monotonic(), 0

        def advance(done: int) -> None:
            nonlocal all_done
            all_done += done
            seconds = time.monotonic() - start
            shown = f"{all_done / seconds:.1f} {rate}" if rate and seconds else ""
            bar.update(task, advance=done, r=shown)

        yield advance
