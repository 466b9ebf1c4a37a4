"""Directives of a batch script (RFC 36): options of its submission, in lines of the script itself.

    #!/bin/sh
    # flux: -N4 --job-name="my job"      # a comment
    # flux: --setattr=user.note='''
    # flux: of several
    # flux: lines'''

A line is a directive if it begins with anything but word characters and then "flux:" or "FLUX:".
All of a script begin alike, and none comes after the first line that is not a comment of this kind.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from protocol.errors import FormatError

_DIRECTIVE: Final = re.compile(r"(\W*)(flux:|FLUX:)(.*)", re.DOTALL)
_QUOTED: Final = re.compile(r"(\"\"\"|''')(.*?)\1", re.DOTALL)


class Directive(Struct, frozen=True):
    """Options, and the number of the line on which they begin."""

    line: int
    words: Sequence[str]


def parse(script: str) -> Sequence[Directive]:
    """The directives of a script.

    Raises:
        FormatError: one of them is wrong; the text begins with its line.
    """
    found: list[Directive] = []
    for line, text in _joined(_tagged(script)):
        words = _split(line, text)
        if words and not words[0].startswith("-"):
            raise FormatError(f"line {line}: Unknown directive: {text.strip()}")
        if words:
            found.append(Directive(line, words))
    return found


def _tagged(script: str) -> list[tuple[int, str]]:
    """The text behind the tag of each directive, with its line."""
    found: list[tuple[int, str]] = []
    sentinel = prefix = ""
    ended = 0  # the last line on which directives may be
    for number, text in enumerate(script.splitlines(), 1):
        match = _DIRECTIVE.fullmatch(text)
        if match is None:
            inside = not text.strip() or text.startswith(prefix.rstrip())
            if sentinel and not ended and not inside:
                ended = number - 1
            continue
        if ended:
            raise FormatError(
                f"line {number}: orphan '{match[2]}' detected: "
                f"directives disabled after line {ended}"
            )
        if sentinel and match[1] + match[2] != sentinel:
            raise FormatError(
                f"line {number}: sentinel changed from '{sentinel}' to '{match[1] + match[2]}'"
            )
        prefix, sentinel = match[1], match[1] + match[2]
        found.append((number, match[3]))
    return found


def _joined(lines: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The same, with the lines of a triple quoted text as one, in quotes of a shell."""
    found: list[tuple[int, str]] = []
    start, quote, gathered = 0, "", ""
    indent = ""
    for number, raw in lines:
        text = raw.removeprefix(indent) if quote else raw
        gathered = f"{gathered}\n{text}" if quote else text
        if not quote:
            start = number
            rest = _QUOTED.sub("", text)
            quote = next((q for q in ('"""', "'''") if q in rest), "")
            indent = raw[: len(raw) - len(raw.lstrip())]
            if quote and not rest.rstrip().endswith(quote):
                raise FormatError(f"line {number}: unclosed triple quote: {text.strip()}")
        elif quote in text:
            if not text.endswith(quote):
                raise FormatError(f"line {number}: unclosed triple quote: {text.strip()}")
            quote = indent = ""
        if not quote:
            body = _QUOTED.sub(lambda m: shlex.quote(m[2].removeprefix("\n")), gathered)
            found.append((start, body))
    if quote:
        raise FormatError(f"line {start}: unterminated multi-line quote")
    return found


def _split(line: int, text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.escapedquotes = "\"'"
    try:
        return list(lexer)
    except ValueError as error:
        raise FormatError(f"line {line}: {text.strip()}: {error}") from None
