"""jobmgr resource drain, undrain: take nodes from new jobs, and give them back."""

import errno
from typing import Any

import click

from jobmgrd.cli.connection import connect
from jobmgrd.cli.failure import CommandError, about
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.resource.status import show
from protocol.errors import RpcError


@click.command(
    epilog=examples(
        "jobmgr resource drain test3 disk is full",
        "jobmgr resource drain 0-3,7 --update to be replaced",
        "jobmgr resource drain test[0-3] --force another reason",
    )
)
@click.option("-u", "--update", is_flag=True, help="Give those a reason that have none yet.")
@click.option(
    "-f",
    "--force",
    count=True,
    help="Replace the reason of drained nodes; given twice, the time, too.",
)
@click.argument("targets", required=False)
@click.argument("reason", nargs=-1)
def drain(targets: str | None, reason: tuple[str, ...], force: int, *, update: bool) -> None:
    """Give new jobs nothing of some nodes, TARGETS: ranks such as 0-3, or hosts.

    Jobs that run there go on. It holds until the nodes are undrained, restarts included. Without
    TARGETS, list what is drained.
    """
    if targets is None:
        show(drained=True)
        return
    _ask("drain", targets, reason, force, update=update)


@click.command(
    epilog=examples(
        "jobmgr resource undrain test3",
        "jobmgr resource undrain --force 0-7 all are well",
    )
)
@click.option("-f", "--force", count=True, help="Pass over nodes that are not drained.")
@click.argument("targets")
@click.argument("reason", nargs=-1)
def undrain(targets: str, reason: tuple[str, ...], force: int) -> None:
    """Give drained nodes back to new jobs, TARGETS: ranks such as 0-3, or hosts."""
    _ask("undrain", targets, reason, force, update=False)


def _ask(verb: str, targets: str, reason: tuple[str, ...], force: int, *, update: bool) -> None:
    if update and force:
        raise click.UsageError("give either --update or --force")
    request: dict[str, Any] = {"targets": targets}
    if reason:
        request["reason"] = " ".join(reason)
    if update or force:
        request["mode"] = "update" if update else _OVERWRITE[min(force, 2) - 1]
    with connect() as client, about(f"resource {verb} {targets}"):
        try:
            client.rpc(f"resource.{verb}", request)
        except RpcError as error:
            if error.errnum != errno.EEXIST:
                raise
            hint = "--force replaces the reason" if verb == "drain" else "--force passes over it"
            raise CommandError(f"resource {verb} {targets}: {error} ({hint})") from error


_OVERWRITE = ("overwrite", "force-overwrite")
