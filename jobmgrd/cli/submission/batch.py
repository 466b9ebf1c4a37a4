"""jobmgr batch: submit a script, whose first lines may have the options of its submission."""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import click

from jobmgrd.cli.connection import connect_async
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.job.outcome import until
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.request import (
    DRY_RUN,
    JobOptions,
    job_options,
    print_jobspec,
    requester,
)
from jobmgrd.cli.words.ids import spelled
from protocol import directives
from protocol.errors import FormatError
from protocol.job_manager import SubmitReply, SubmitRequest

OUTPUT: Final = "jobmgr-{{id}}.out"
_SCRIPT: Final = "script"
_MODE: Final = 0o100700


class BatchCommand(click.Command):
    """A command that reads further options from the script it is given, those typed going first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, find the script, and parse again with its directives.

        Raises:
            CommandError: the script cannot be read, or one of its directives is wrong.
        """
        looked = self.context_class(
            self, info_name=ctx.info_name, parent=ctx.parent, allow_interspersed_args=False
        )
        super().parse_args(looked, list(args))
        words: tuple[str, ...] = looked.params["words"]
        if looked.params["wrap"]:
            given = " ".join(words) or sys.stdin.read()
            ctx.meta[_SCRIPT] = f"#!/bin/sh\n{given}\n"
            return super().parse_args(ctx, args)
        name, text = _read(words)
        ctx.meta[_SCRIPT] = text
        return super().parse_args(ctx, [*self._directed(name, text), *args])

    def _directed(self, name: str, text: str) -> list[str]:
        """The words of all directives, each of which reads well."""
        found: list[str] = []
        try:
            for directive in directives.parse(text):
                self._check(name, directive)
                found += directive.words
        except FormatError as error:
            raise CommandError(f"{name}: {error}") from None
        return found

    def _check(self, name: str, directive: directives.Directive) -> None:
        try:
            with self.context_class(self) as trial:
                super().parse_args(trial, list(directive.words))
        except click.UsageError as error:
            raise CommandError(f"{name}: line {directive.line}: {error.format_message()}") from None
        if trial.params["words"]:
            word = trial.params["words"][0]
            raise CommandError(f"{name}: line {directive.line}: {word!r} is no option")


def _read(words: tuple[str, ...]) -> tuple[str, str]:
    """The name and the text of the script, which may come by our stdin."""
    name = words[0] if words else "stdin"
    try:
        text = Path(name).read_text(encoding="utf-8") if words else sys.stdin.read()
    except UnicodeError:
        raise CommandError(f"{name} does not appear to be a script: it is not UTF-8") from None
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from None
    if not text.startswith("#!"):
        raise CommandError(f"{name} does not appear to start with '#!'")
    return name, text


@click.command(
    "batch",
    cls=BatchCommand,
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "jobmgr batch -n4 ./simulate.sh big           the script, and an argument of it",
        "jobmgr batch -N2 -t 1h < simulate.sh",
        "jobmgr batch -n1 --wrap make test            no script needed",
    ),
)
@job_options
@DRY_RUN
@click.option("--wrap", is_flag=True, help="Run the words as a script of /bin/sh.")
@click.option("--wait", is_flag=True, help="Wait for the job; exit with its exit code.")
@click.option("--quiet", is_flag=True, help="Print no id.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT [ARG]...]")
@click.pass_context
def batch(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    *,
    dry_run: bool,
    wrap: bool,
    wait: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - the keywords of JobOptions
) -> None:
    """Submit a script, and print the id of its job.

    The script is read from our stdin if none is named. It is kept with the job, and runs once, on
    the first of the nodes that are allocated, with all that is allocated there; so -n and -c say
    how many slots of how many cores to allocate. There is no Flux instance of its own in the job,
    as there is with flux batch: what the script starts, it starts itself, and jobmgr in the script
    submits to this daemon.

    Lines that begin with "# flux:" are options, too: "# flux: -n4 --time-limit=1h". Those on the
    command line go first. Output goes to jobmgr-{{id}}.out unless --output says where.
    """
    given = JobOptions.of(options)
    name = "batch" if wrap or not words else Path(words[0]).name
    given = given._replace(
        input=given.input or "/dev/null",
        output=given.output or OUTPUT,
        job_name=given.job_name or name,
    )
    arguments = () if wrap else words[1:]
    request = requester(given, ["{{tmpdir}}/" + _SCRIPT, *arguments])(None)
    request = _as_script(request, ctx.meta[_SCRIPT])
    if dry_run:
        print_jobspec(request)
        return
    ctx.exit(asyncio.run(_submit(request, wait=wait, quiet=quiet)))


def _as_script(request: SubmitRequest, script: str) -> SubmitRequest:
    """The request, with one task for all slots, and the script among the job's files (RFC 37)."""
    jobspec = dict(request.jobspec or {})
    jobspec["tasks"][0]["count"] = {"total": 1}
    file = {"mode": _MODE, "encoding": "utf-8", "data": script}
    system = jobspec["attributes"]["system"]
    system["files"] = {**system.get("files", {}), _SCRIPT: file}
    return SubmitRequest(jobspec=jobspec, urgency=request.urgency, flags=request.flags)


async def _submit(request: SubmitRequest, *, wait: bool, quiet: bool) -> int:
    async with connect_async() as client:
        with about("batch"):
            id_ = (await client.rpc("job-ingest.submit", request, reply=SubmitReply)).id
        if not quiet:
            click.echo(spelled(id_))
        return await until(client, id_, None) if wait else 0
