"""The command line of the daemon: jobmgrd [--config PATH] [--rundir DIR] [--statedir DIR]."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import click

from jobmgrd import VERSION, logs
from jobmgrd.config import ConfigError, Loaded, default_rundir, default_statedir, load
from jobmgrd.daemon import Daemon, StartError
from jobmgrd.store.port import StoreError

SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which the event loop lets the store's thread have the interpreter: SQLite asks for
it at every row, and with Python's 5 ms a commit under load would wait for the loop."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
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
def main(config: Path | None, rundir: Path | None, statedir: Path | None, *, check: bool) -> None:
    """Run the job manager until SIGTERM or SIGINT; SIGHUP reads the configuration again.

    Jobs are submitted with jobmgr, which looks for the daemon in --uri, in $JOBMGRD_URI, and in
    the default run directory.
    """
    try:
        loaded = load(config)
        if check:
            _report(loaded)
            return
        uid = os.getuid()
        given = loaded.config.daemon
        run = rundir or given.rundir or default_rundir(uid, os.environ)
        state = statedir or given.statedir or default_statedir(uid, os.environ)
        logs.configure(given.log_level, given.log_format)
        sys.setswitchinterval(SWITCH_INTERVAL)
        asyncio.run(Daemon(loaded, config, run.absolute(), state.absolute()).run())
    except (ConfigError, StoreError, StartError) as error:
        _die(str(error))
    except BaseExceptionGroup as group:
        known = group.split((ConfigError, StoreError, StartError))
        if known[1] is not None or known[0] is None:
            raise
        _die("; ".join(str(error) for error in known[0].exceptions))


def _report(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo("configuration is valid")


def _die(text: str) -> None:
    click.echo(f"jobmgrd: {text}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
