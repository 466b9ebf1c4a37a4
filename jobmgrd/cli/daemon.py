"""The command line of the daemon: jobmgrd [--config PATH] [--rundir DIR] [--statedir DIR]."""

import asyncio
import gc
import resource
import sys
from pathlib import Path
from typing import Any, Final

import click

from jobmgrd import VERSION, logs
from jobmgrd.archive.port import ArchiveError
from jobmgrd.cli.backup import backup, restore
from jobmgrd.cli.check import check as check_command
from jobmgrd.cli.lazy import examples
from jobmgrd.cli.places import Places
from jobmgrd.config import ConfigError, Loaded, load
from jobmgrd.daemon import Daemon, StartError
from jobmgrd.plugins.find import find
from jobmgrd.private import DirectoryError
from jobmgrd.store.port import StoreError

FILES: Final = 65536

SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which the event loop lets the store's thread have the interpreter: SQLite asks for
it at every row, and with Python's 5 ms a commit under load would wait for the loop."""

COLLECT: Final = (10_000, 20, 50)
"""gc.set_threshold: Python's own, made for small programs, look at all active jobs again and again,
for 100 ms at a time and an eighth of all time under load. What ends here is free without that."""

_EXPECTED: Final = (ConfigError, DirectoryError, StoreError, StartError, ArchiveError)


class Jobmgrd(click.Group):
    """The daemon and what is done beside it: the one place that reports what they raise."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the daemon or a command."""
        try:
            return super().invoke(ctx)
        except _EXPECTED as error:
            _die(str(error))
        except BaseExceptionGroup as group:
            known = group.split(_EXPECTED)
            if known[1] is not None or known[0] is None:
                raise
            _die("; ".join(str(error) for error in known[0].exceptions))


@click.group(
    cls=Jobmgrd,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "jobmgrd --config jobmgrd.toml             run the job manager",
        "jobmgrd --config jobmgrd.toml --check     check the configuration",
        "jobmgrd --config jobmgrd.toml check       check store and archive as well",
        "jobmgrd --config jobmgrd.toml backup DIR  copy them, while the daemon runs",
    ),
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file, or directory of *.toml."
)
@click.option(
    "--rundir",
    type=click.Path(path_type=Path),
    help="Sockets live here  [default: $XDG_RUNTIME_DIR/jobmgrd; root: /run/jobmgrd]",
)
@click.option(
    "--statedir",
    type=click.Path(path_type=Path),
    help="Jobs are kept here  [default: $XDG_STATE_HOME/jobmgrd; root: /var/lib/jobmgrd]",
)
@click.option("--check", is_flag=True, help="Check the configuration and exit.")
@click.version_option(VERSION, prog_name="jobmgrd")
@click.pass_context
def main(
    ctx: click.Context,
    config: Path | None,
    rundir: Path | None,
    statedir: Path | None,
    *,
    check: bool,
) -> None:
    """Run the job manager until SIGTERM or SIGINT; SIGHUP reads the configuration again.

    Jobs are submitted with jobmgr, which looks for the daemon in --uri, in $JOBMGRD_URI, and in
    the default run directory.
    """
    if check:
        _report(load(config))
        ctx.exit()
    places = Places.find(config, rundir, statedir)
    if ctx.invoked_subcommand is None:
        _serve(places)
    ctx.obj = places


for command in (check_command, backup, restore):
    main.add_command(command)


def _serve(places: Places) -> None:
    given = places.loaded.config.daemon
    logs.configure(given.log_level, given.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECT)
    gc.freeze()  # modules and classes stay
    _allow_files()
    asyncio.run(Daemon(places.loaded, places.config, places.rundir, places.statedir).run())


def _allow_files() -> None:
    """Have a descriptor for each of many clients, where the usual limit is 1024.

    Jobs do not inherit this: see jobmgrd/exec/inheritance.py.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _report(loaded: Loaded) -> None:
    for plugin in loaded.config.job_manager.plugins:
        try:
            find(plugin.load)
        except (TypeError, ValueError) as error:
            table = f"job-manager.plugins[{plugin.load}]"
            raise ConfigError(loaded.source, table, "", str(error)) from error
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo("configuration is valid")


def _die(text: str) -> None:
    click.echo(f"jobmgrd: {text}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
