"""Every example in the documentation and in --help is a command line that is there."""

import io
import pwd
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from jobmgrd.cli.daemon import main as jobmgrd
from jobmgrd.cli.jobmgr import cli as jobmgr

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = [
    "README.md",
    "SECURITY.md",
    *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
]
PROGRAMS: Final = {"jobmgr": jobmgr, "jobmgrd": jobmgrd}
JOBID: Final = "ƒ5zHnEx"


def examples_of(document: str) -> list[str]:
    """The command lines that stand in blocks of a document, indented or between fences."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    lines = [
        line.partition(" #")[0] for block in [*blocks, *indented] for line in block.splitlines()
    ]
    return [line for line in lines if re.search(r"\bjobmgrd? ", line)]


def helped() -> dict[str, str]:
    """The --help of every command."""

    def walk(command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
        context = click.Context(command, parent, command.name)
        yield context.command_path, command.epilog or ""
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                if (below := command.get_command(context, name)) is not None:
                    yield from walk(below, context)

    return {path: text for program in PROGRAMS.values() for path, text in walk(program, None)}


HELP: Final = helped()


def command_lines(line: str) -> Iterator[list[str]]:
    """The calls of our programs in a line of shell, what is substituted replaced by a job's id."""
    for inner in re.findall(r"\$\(([^)]*)\)", line):
        yield from command_lines(inner)
    line = re.sub(r"\$\([^)]*\)|\$\w+|ƒ\.\.\.", JOBID, line)
    line = re.sub(r" \[(\w+)\]", r" \1", line)  # what may be left out
    words: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            yield from _call(words)
            words = []
        else:
            words.append(word)


def _call(words: list[str]) -> Iterator[list[str]]:
    for n, word in enumerate(words):
        if word in PROGRAMS:
            yield words[n:]
            return


def parse(words: list[str]) -> None:
    """Let click read a command line, and do nothing of what it asks.

    Raises:
        click.UsageError: a command or an option is not there, or a value does not read.
    """
    context = PROGRAMS[words[0]].make_context(words[0], words[1:])
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            return
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, context)


@pytest.fixture(autouse=True)
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files, the stdin and the user that examples speak of."""
    for name in ("simulate.sh", "commands", "tight-limits.toml"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("#!/bin/sh\n"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: pwd.getpwuid(0))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_of_the_documentation_are_read(document: str) -> None:
    """Names of commands, their options and the values of these."""
    for line in examples_of(document):
        for words in command_lines(line):
            parse(words)


@pytest.mark.parametrize("command", sorted(HELP))
def test_examples_of_help_are_read(command: str) -> None:
    """What is explained stands behind two spaces or more."""
    for line in HELP[command].splitlines()[2:]:
        for words in command_lines(re.split(r"\s{2,}", line.strip())[0]):
            parse(words)


def test_the_readme_has_examples() -> None:
    """They are found, and one that is wrong is noticed."""
    assert len(examples_of("README.md")) > 10
    with pytest.raises(click.UsageError, match="--no-such-option"):
        parse(["jobmgr", "jobs", "--no-such-option"])
    with pytest.raises(click.UsageError, match="No such command"):
        parse(["jobmgr", "job", "nothing"])
