"""Rows of text under headings: every column as wide as what is in it."""

from collections.abc import Iterable, Sequence


def lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Sequence[str]:
    """The line of headings, then a line for each row; numbers stand to the right."""
    cells = [list(row) for row in rows]
    right = [bool(cells) and all(isinstance(row[i], int) for row in cells) for i in _span(headings)]
    texts = [list(headings), *([printable(str(cell)) for cell in row] for row in cells)]
    widths = [max(len(row[i]) for row in texts) for i in _span(headings)]
    return [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    ]


def printable(text: str) -> str:
    """A text that others chose, without what a terminal would obey."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _span(headings: Sequence[str]) -> range:
    return range(len(headings))
