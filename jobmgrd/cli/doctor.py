"""jobmgr doctor: what usually goes wrong, looked for from outside and asked of the daemon."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from jobmgrd.cli.connection import connect, place
from jobmgrd.cli.lazy import examples
from jobmgrd.client import NotAdmittedError
from jobmgrd.health import worst
from jobmgrd.store.lock import owner
from protocol.errors import RpcError
from protocol.health import Finding, HealthReply

_NOT_YOURS: Final = "use the daemon of your own user, or ask who runs this one to let you in"
_COLORS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command(
    epilog=examples(
        "jobmgr doctor                     what is not well, and what to do about it",
        "jobmgr doctor --all               what is well, too",
        "jobmgr doctor --json | jq -e '.status != \"error\"'",
    )
)
@click.option("--all", "everything", is_flag=True, help="Show what is well, too.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def doctor(*, everything: bool, as_json: bool) -> None:
    """Look for the usual troubles; exit 1 if there is an error, with what to do next.

    Permissions, sockets that nobody answers at, a full disk, no limits, a clock that has jumped,
    purging that does not keep up, an archive that fails, records put aside, writes that fail,
    limits that clients meet all the time, strangers at a tcp:// endpoint.
    """
    findings = list(examine(place()))
    status = worst(findings)
    if as_json:
        click.echo(msgspec.json.encode(HealthReply(status, findings)))
    else:
        _show([f for f in findings if everything or f.level != "ok"])
    sys.exit(status == "error")


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        level = click.style(f"{finding.level}:", fg=_COLORS[finding.level])
        click.echo(f"{level} {finding.name}: {finding.text}")
        if finding.advice:
            click.echo(f"    {finding.advice}")
    if not findings:
        click.echo("nothing is wrong")


def examine(rundir: Path | None) -> Iterator[Finding]:
    """What can be seen from outside, then what the daemon says of itself."""
    if rundir is not None:
        outside = _outside(rundir)
        yield from outside
        if any(finding.level == "error" for finding in outside):
            return
    yield from _inside()


def _outside(rundir: Path) -> list[Finding]:
    looks: tuple[Callable[[Path], Finding], ...] = (_directory, _answering)
    findings = []
    for look in looks:
        findings.append(look(rundir))
        if findings[-1].level == "error":
            break
    return findings


def _directory(rundir: Path) -> Finding:
    name = "run-directory"
    try:
        status = rundir.stat()
    except FileNotFoundError:
        advice = "start jobmgrd, or say where it is by --uri or $JOBMGRD_URI"
        return Finding(name, "error", f"{rundir} is not there", advice)
    except OSError as error:
        return Finding(name, "error", f"{rundir}: {error.strerror}", _NOT_YOURS)
    if not os.access(rundir, os.X_OK):
        return Finding(name, "error", f"{rundir} may not be entered by you", _NOT_YOURS)
    if status.st_uid != os.getuid():
        return Finding(name, "warning", f"{rundir} is of user {status.st_uid}", "see --uri")
    if status.st_mode & 0o066:
        mode = f"{status.st_mode & 0o7777:04o}"
        text = f"{rundir} is open to others (mode {mode})"
        return Finding(name, "error", text, f"chmod 700 {rundir}: jobmgrd does not start with it")
    return Finding(name, "ok", f"{rundir} is private")


def _answering(rundir: Path) -> Finding:
    pid = owner(rundir / "lock")
    left = [name for name in ("rpc", "events", "local") if (rundir / name).is_socket()]
    if pid:
        return Finding("daemon", "ok", f"it runs as process {pid}")
    advice = "start jobmgrd: it takes the sockets over"
    if left:
        text = f"no daemon runs; {', '.join(left)} in {rundir} were left by one that was killed"
        return Finding("daemon", "error", text, advice)
    return Finding("daemon", "error", f"no daemon runs in {rundir}", "start jobmgrd")


def _inside() -> Iterator[Finding]:
    try:
        with connect() as client:
            reply = msgspec.convert(client.rpc("health.check", timeout=10.0), HealthReply)
    except RpcError as error:
        advice = "only the owner of the daemon is told more"
        yield Finding("health", "warning", str(error), advice)
    except NotAdmittedError as error:
        yield Finding("daemon", "error", str(error), _NOT_YOURS)
    except (OSError, ValueError) as error:
        advice = "see its log; if it hangs, end it with SIGKILL: what it answered is kept"
        yield Finding("daemon", "error", f"it does not answer: {error}", advice)
    else:
        yield from reply.findings
