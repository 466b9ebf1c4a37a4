"""Keys that Flux knows and jobmgrd does not: why, and what to do, for those who share their file.

They are refused as every unknown key is, since a key that is read past says that it is obeyed.
"""

from collections.abc import Mapping
from typing import Final

_ONE_HOST: Final = "all nodes are this host, where the command runs once a job"
_ONE_COMMAND: Final = "a command is one program, not a directory of scripts"
_CONFIGURED: Final = "nodes are what [[resource.config]] or cores and gpus say, and are believed"

REASONS: Final[Mapping[str, str]] = {
    "job-manager.prolog.per-rank": _ONE_HOST,
    "job-manager.epilog.per-rank": _ONE_HOST,
    "job-manager.housekeeping.release-after": _ONE_HOST + ", and all are released when it ends",
    "job-manager.prolog.exit-on-first-error": _ONE_COMMAND,
    "job-manager.epilog.exit-on-first-error": _ONE_COMMAND,
    "job-manager.housekeeping.exit-on-first-error": _ONE_COMMAND,
    "job-manager.epilog.cancel-on-exception": "users could keep their jobs from being cleaned up",
    "job-manager.perilog": "what a command writes goes to the log, all of it",
    "job-manager.journal-size-limit": "the journal has a bound of its own",
    "resource.path": "write the nodes as [[resource.config]]",
    "resource.scheduling": "there is no other scheduler to load",
    "resource.norestrict": _CONFIGURED,
    "resource.verify": _CONFIGURED,
    "resource.noverify": _CONFIGURED,
    "resource.rediscover": _CONFIGURED,
    "resource.journal-max": "drains are kept as they are, without a journal",
    "resource.history": "drains are kept as they are, without a history",
    "policy.scheduler": "there is no other scheduler to load",
}
"""By table and key."""
