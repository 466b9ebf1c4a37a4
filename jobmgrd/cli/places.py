"""Where a daemon with these options would live: for the daemon, and for what is done beside it."""

import os
from pathlib import Path
from typing import Self

from msgspec import Struct

from jobmgrd.config import Loaded, default_rundir, default_statedir, expand, load


class Places(Struct, frozen=True):
    """A configuration and the directories that it and the command line name; all absolute."""

    loaded: Loaded
    config: Path | None
    rundir: Path
    statedir: Path

    @classmethod
    def find(cls, config: Path | None, rundir: Path | None, statedir: Path | None) -> Self:
        """Read the configuration; directories that are given come first.

        Raises:
            ConfigError: it is wrong, or nothing names a directory.
        """
        loaded = load(config)
        uid, given = os.getuid(), loaded.config.daemon
        run = rundir or given.rundir or default_rundir(uid, os.environ)
        state = statedir or given.statedir or default_statedir(uid, os.environ)
        return cls(loaded, config, run.absolute(), state.absolute())

    @property
    def store(self) -> Path:
        """The store's file."""
        return self._path(self.loaded.config.store.path)

    @property
    def archive(self) -> Path | None:
        """The archive's file, if there is to be one."""
        archive = self.loaded.config.job_manager.archive
        return self._path(archive.path) if archive else None

    def _path(self, template: str) -> Path:
        return Path(expand(template, rundir=self.rundir, statedir=self.statedir))
