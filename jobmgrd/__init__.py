"""The daemon, its client library and its command lines."""

from typing import Final

VERSION: Final = "0.1.0"
