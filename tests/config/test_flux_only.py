"""Keys that only Flux has are refused with the reason, and are no keys of ours."""

from typing import Any

import pytest

from jobmgrd.config import ConfigError, check
from jobmgrd.config.flux_only import REASONS


@pytest.mark.parametrize("path", REASONS)
def test_a_key_of_flux_alone_is_refused_with_the_reason(path: str) -> None:
    """Whatever its value; who shares a file with Flux learns what to do about it."""
    *tables, key = path.split(".")
    raw: dict[str, Any] = {key: "1m"}
    for table in reversed(tables):
        raw = {table: raw}
    with pytest.raises(ConfigError) as caught:
        check(raw, "config.load")
    assert str(caught.value) == (
        f"config.load: [{'.'.join(tables)}] {key}: unknown key to jobmgrd, though Flux has it: "
        f"{REASONS[path]}"
    )
