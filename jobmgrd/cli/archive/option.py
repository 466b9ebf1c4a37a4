"""The option --archive of commands that otherwise ask the daemon; they import the rest if given."""

from typing import Final

import click

archive_flag: Final = click.option(
    "--archive",
    "from_archive",
    is_flag=True,
    help="Answer from the archive of purged jobs, which needs no daemon (see jobmgr archive).",
)
