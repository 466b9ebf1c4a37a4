"""The kinds of values a configuration key may have: how each is read, and what it expects.

A reader turns a TOML or JSON value into the value that the daemon uses, or raises TypeError or
ValueError with a text that says what is wrong.
"""

from jobmgrd.config.kinds.names import (
    COMMAND,
    GROUPS,
    HOSTS,
    PLUGIN,
    PROPERTIES,
    QUEUE,
    RESULT,
    TARGETS,
    USERID,
    USERID_MAX,
    USERS,
    choice,
    ids,
    name,
    one_or_more,
)
from jobmgrd.config.kinds.numbers import (
    AGE_LIMIT,
    NUM_LIMIT,
    SECONDS,
    TIMEOUT,
    count,
    count_or_auto,
    duration,
    duration_or_inf,
    size,
)
from jobmgrd.config.kinds.places import ENDPOINTS, LOCAL_ADDRESS, PATH, STATE_FILE
from jobmgrd.config.kinds.values import FLAG, TABLE, Kind, type_name

__all__ = [
    "AGE_LIMIT",
    "COMMAND",
    "ENDPOINTS",
    "FLAG",
    "GROUPS",
    "HOSTS",
    "LOCAL_ADDRESS",
    "NUM_LIMIT",
    "PATH",
    "PLUGIN",
    "PROPERTIES",
    "QUEUE",
    "RESULT",
    "SECONDS",
    "STATE_FILE",
    "TABLE",
    "TARGETS",
    "TIMEOUT",
    "USERID",
    "USERID_MAX",
    "USERS",
    "Kind",
    "choice",
    "count",
    "count_or_auto",
    "duration",
    "duration_or_inf",
    "ids",
    "name",
    "one_or_more",
    "size",
    "type_name",
]
