"""A progress bar on a terminal; nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(
    label: str, total: Callable[[], int], *, hidden: bool = False
) -> Iterator[Callable[[int], None]]:
    """A bar while the block runs, gone after it. Yields a function that advances it by a number.

    `total` is asked only if there is a bar; there is none if it is `hidden`, as where lines are
    printed meanwhile.
    """
    if hidden or not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich takes long to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total())
        yield lambda done: bar.advance(task, done)
