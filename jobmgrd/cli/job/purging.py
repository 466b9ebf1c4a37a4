"""What jobmgr job purge does: batches until all is done, told however it ends.

Every line tells what has happened, what would happen, or what to type next.
"""

import errno
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from jobmgrd.cli.failure import CommandError, complain
from jobmgrd.cli.job import purge_list
from jobmgrd.cli.progress import progress
from jobmgrd.cli.words.ids import spelled
from jobmgrd.client import BlockingClient
from protocol.errors import RpcError
from protocol.job_manager import PurgeStats, StatsReply

_OF_ONE_ID: Final = frozenset({errno.ENOENT, errno.EINVAL})
"""Refusals that are about an id, so that others may still go."""


class Purging:
    """One purge, or, without force, what it would be."""

    def __init__(
        self, client: BlockingClient, *, batch: int, force: bool, listing: bool, verbose: bool
    ) -> None:
        self._client = client
        self._batch = batch
        self._force = force
        self._listing = listing
        self._verbose = verbose
        self._talks = listing or verbose
        self._total = 0
        self.failed = False

    def stats(self) -> StatsReply:
        """The daemon's counters."""
        return self._client.rpc("job-manager.stats-get", reply=StatsReply)

    def by_limits(self, limits: Mapping[str, float], *, everything: bool = False) -> None:
        """Purge what exceeds the limits, in batches; or say what that is."""
        request: dict[str, Any] = {**limits, "batch": self._batch}
        if not self._force:
            self._propose_by_limits(request, everything=everything)
            return
        if self._listing:
            click.echo(purge_list.heading())
        done = False
        try:
            with progress(
                "purging", lambda: self._eligible(request), hidden=self._talks
            ) as advance:
                while not done:
                    reply = self._ask("job-manager.purge", self._listed(request) | {"force": True})
                    done = reply["count"] < self._batch
                    advance(reply["count"])
        except RpcError as error:
            raise self._stopped(error) from error
        except BaseException:
            complain(f"purge stopped early: {self._before()}")
            raise
        self._tell_end(everything=everything)

    def by_id(self, ids: Sequence[int]) -> None:
        """Purge these jobs, or count those that can be; an id that cannot be is named."""
        with progress("purging", lambda: len(ids), hidden=self._talks) as advance:
            for first in range(0, len(ids), self._batch):
                group = ids[first : first + self._batch]
                self._group(group)
                advance(len(group))
        if self._force:
            self._tell_end()
        else:
            self._propose(self._total, "none of these ids is one of {} inactive jobs")

    def _group(self, ids: Sequence[int]) -> None:
        """Purge all of a group, or, since one refusal is for all, ask again for each id."""
        try:
            self._ask("job-manager.purge-id", {"ids": ids, "force": self._force})
        except RpcError as error:
            if error.errnum not in _OF_ONE_ID:
                raise self._stopped(error) from error
            if len(ids) > 1:
                for id_ in ids:
                    self._group([id_])
                return
            self.failed = True
            complain(f"purge {spelled(ids[0])}: {error}")

    def _ask(self, topic: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask, and tell of what went."""
        reply = self._client.rpc(topic, request)
        self._total += reply["count"]
        if self._force and self._listing:
            for line in purge_list.lines(reply.get("jobs", ())):
                click.echo(line)
        if self._force and self._verbose and reply["count"]:
            click.echo(f"purged {reply['count']} inactive jobs (purge-log seq {reply.get('seq')})")
        return reply

    def _listed(self, request: dict[str, Any]) -> dict[str, Any]:
        return request | {"attrs": purge_list.ATTRS} if self._listing else request

    def _eligible(self, request: Mapping[str, Any]) -> int:
        count: int = self._client.rpc("job-manager.purge", request)["count"]
        return count

    def _propose_by_limits(self, request: dict[str, Any], *, everything: bool) -> None:
        reply = self._client.rpc("job-manager.purge", self._listed(request))
        if self._listing and reply["count"]:
            click.echo(purge_list.heading())
            for line in purge_list.lines(reply["jobs"]):
                click.echo(line)
            if reply["count"] > len(reply["jobs"]):
                click.echo(f"... and {reply['count'] - len(reply['jobs'])} more")
        nothing = "all {} inactive jobs are pinned" if everything else _WITHIN_LIMITS
        self._propose(reply["count"], nothing, everything=everything)

    def _propose(self, count: int, nothing: str, *, everything: bool = False) -> None:
        stats = self.stats()
        inactive = stats.inactive_jobs
        if count:
            pinned = _pinned(stats.purge, inactive - count) if everything else ""
            click.echo(f"use --force to purge {count} of {inactive} inactive jobs{pinned}")
        elif inactive:
            click.echo(f"nothing to purge: {nothing.format(inactive)}")
        else:
            click.echo("nothing to purge: there are no inactive jobs")

    def _tell_end(self, *, everything: bool = False) -> None:
        stats = self.stats()
        pinned = _pinned(stats.purge, stats.inactive_jobs) if everything else ""
        click.echo(f"purged {self._total} inactive jobs, {stats.inactive_jobs} remaining{pinned}")

    def _stopped(self, error: RpcError) -> CommandError:
        """The error for a purge that cannot go on: why, and what it has done before."""
        archive = self.stats().archive
        what = "archive " if archive is not None and archive.error == str(error) else ""
        return CommandError(f"job purge: {what}{error}: {self._before()}")

    def _before(self) -> str:
        if not (self._total and self._force):
            return "nothing was purged"
        return f"{self._total} inactive jobs were purged before"


_WITHIN_LIMITS: Final = "none of {} inactive jobs exceeds the limits"


def _pinned(stats: PurgeStats, rest: int) -> str:
    """How many of the rest are pinned; pins are of active jobs, too."""
    count = min(stats.pins, rest)
    return f"; {count} pinned job{' stays' if count == 1 else 's stay'}" if count > 0 else ""
