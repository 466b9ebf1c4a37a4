"""How commands fail: one line on stderr that begins with "jobmgr:", and the exit code that fits.

0    done
1    refused, failed, or no daemon
2    usage (click)
130  interrupted, as a shell has it
141  nobody reads the output any more
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import click

from protocol.errors import RpcError

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class CommandError(click.ClickException):
    """A command failed; the text is for the person who typed it."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - click's signature
        """Print it on stderr."""
        complain(self.message)


def complain(text: str) -> None:
    """Print a line on stderr that says which program it is from."""
    click.echo(f"jobmgr: {text}", err=True)


@contextmanager
def about(what: str) -> Iterator[None]:
    """Say in a refusal what was refused, for example "cancel ƒABC: job is inactive".

    Raises:
        CommandError: an RpcError occurred inside.
    """
    try:
        yield
    except RpcError as error:
        raise CommandError(f"{what}: {error}") from error


@contextmanager
def reported() -> Iterator[None]:
    """Turn whatever a command raises into a line on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # What is still buffered would fail again, loudly, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except (RpcError, OSError, ValueError) as error:  # values: a URI, a jobspec, an eventlog
        raise CommandError(str(error)) from error
    except Exception as error:
        raise CommandError(f"internal error: {type(error).__name__}: {error}") from error
