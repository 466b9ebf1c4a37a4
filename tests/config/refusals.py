"""How a configuration is refused."""

from typing import Any

import pytest

from jobmgrd.config import (
    ConfigError,
    check,
)


def refusal(raw: dict[str, Any]) -> str:
    """The text with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        check(raw, "config.load")
    return str(caught.value)
