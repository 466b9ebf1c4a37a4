"""jobmgr job kill, raise, urgency, memo: what may be done to a job that has not ended."""

import signal
import sys
from typing import Any, Final

import click

from jobmgrd.cli import each_job
from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.submission.request import URGENCY
from jobmgrd.cli.words.ids import JOBID, spelled
from jobmgrd.cli.words.json_path import assign
from jobmgrd.cli.words.json_value import AssignmentType
from jobmgrd.cli.words.word import Word
from protocol.errors import FormatError

_JOBIDS = click.argument("ids", nargs=-1, required=True, type=JOBID, metavar="JOBID...")
_JOBID = click.argument("id_", type=JOBID, metavar="JOBID")


class SignalType(Word[int]):
    """A signal: TERM, SIGTERM or 15."""

    name = "SIGNAL"

    def read(self, text: str) -> int:
        """The signal's number."""
        name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
        if name in signal.Signals.__members__:
            return signal.Signals[name].value
        if not (text.isascii() and text.isdigit() and 0 < int(text) < signal.NSIG):
            raise FormatError(f"{text!r} is not a signal")
        return int(text)


signal_option: Final = click.option(
    "-s",
    "--signal",
    "signum",
    type=SignalType(),
    default="SIGTERM",
    help="Name or number  [default: SIGTERM]",
)


@click.command(
    epilog=examples("jobmgr job kill ƒ5zHnEx", "jobmgr job kill -s USR1 ƒ5zHnEx ƒ5zJ3Xh")
)
@signal_option
@_JOBIDS
def kill(ids: tuple[int, ...], signum: int) -> None:
    """Send a signal to all processes of running jobs."""
    each_job.ask("kill", "job-manager.kill", ids, {"signum": signum})


@click.command(
    "raise",
    epilog=examples(
        "jobmgr job raise ƒ5zHnEx                               cancel it",
        'jobmgr job raise -s 7 -t note -m "looks slow" ƒ5zHnEx    only a remark',
    ),
)
@click.option("-t", "--type", "kind", metavar="TYPE", default="cancel", help="[default: cancel]")
@click.option(
    "-s",
    "--severity",
    type=click.IntRange(0, 7),
    metavar="N",
    default=0,
    help="0 ends the job  [default: 0]",
)
@click.option("-m", "--message", metavar="NOTE", default="", help="Say why; kept with the job.")
@_JOBIDS
def raise_(ids: tuple[int, ...], kind: str, severity: int, message: str) -> None:
    """Raise an exception on jobs (RFC 21). Severity 0 ends them, others are kept as a remark."""
    exception = {"type": kind, "severity": severity, "note": message}
    each_job.ask("raise", "job-manager.raise", ids, exception)


@click.command(
    epilog=examples(
        "jobmgr job urgency ƒ5zHnEx 20            before those of urgency 16",
        "jobmgr job urgency ƒ5zHnEx hold          do not start it",
        "jobmgr job urgency ƒ5zHnEx default       release it",
    )
)
@click.option("-v", "--verbose", is_flag=True, help="Print the urgency before the change.")
@_JOBID
@click.argument("urgency_", type=URGENCY, metavar="N|hold|expedite|default")
def urgency(id_: int, urgency_: int, *, verbose: bool) -> None:
    """Set the urgency of a pending job: 0 (hold) to 31 (expedite), 16 is the default."""
    with connect() as client, about(f"urgency {spelled(id_)}"):
        reply = client.rpc("job-manager.urgency", {"id": id_, "urgency": urgency_})
    if verbose:
        click.echo(f"old urgency: {reply['old_urgency']}")


@click.command(
    epilog=examples(
        'jobmgr job memo ƒ5zHnEx step=3 comment="half way"',
        'jobmgr job memo ƒ5zHnEx run.step=3 run.of=9      an object: {"run": {...}}',
        "jobmgr job memo ƒ5zHnEx comment=null             remove it",
        "git diff | jobmgr job memo ƒ5zHnEx patch=-       from stdin",
        "jobmgr job memo --volatile ƒ5zHnEx done=37%      often, and not kept",
    )
)
@click.option("--volatile", is_flag=True, help="Do not keep it: no eventlog has it.")
@_JOBID
@click.argument("memos", nargs=-1, required=True, type=AssignmentType(), metavar="KEY=VAL...")
def memo(id_: int, memos: tuple[tuple[str, object], ...], *, volatile: bool) -> None:
    """Attach notes to an active job; they are in its annotations.

    VAL may be JSON, or - for what is on stdin; null removes the key. KEY may be a path with dots.
    """
    memo: dict[str, Any] = {}
    for key, value in memos:
        assign(memo, key, sys.stdin.read() if value == "-" else value)
    with connect() as client, about(f"memo {spelled(id_)}"):
        client.rpc("job-manager.memo", {"id": id_, "memo": memo, "volatile": volatile})
