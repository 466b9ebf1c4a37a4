"""From a name in the configuration to what makes a plugin."""

from pathlib import Path

import pytest

from jobmgrd.plugins.find import find
from jobmgrd.plugins.priority_by_user import PriorityByUser
from jobmgrd.plugins.user_limits import UserLimits


def test_a_name_is_an_entry_point_or_a_place_in_a_module() -> None:
    """Those that come with jobmgrd are found both ways."""
    assert find("user-limits") is UserLimits
    assert find("jobmgrd.plugins.priority_by_user:PriorityByUser") is PriorityByUser


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("user-limit", r"no plugin 'user-limit' is installed \(did you mean user-limits\?\)"),
        ("nowhere:Plugin", "nowhere:Plugin cannot be loaded: ModuleNotFoundError: No module"),
        ("jobmgrd.plugins:Nothing", "cannot be loaded: AttributeError: module 'jobmgrd.plugins'"),
        ("jobmgrd.plugins.guard:BUDGET", "is not callable: expected a class or a function"),
    ],
)
def test_what_is_not_there_is_said_so(name: str, text: str) -> None:
    """With the name, and what was meant perhaps."""
    with pytest.raises((ValueError, TypeError), match=text):
        find(name)


def test_a_module_that_ends_the_process_when_imported_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any code runs when a module is imported."""
    (tmp_path / "leaving.py").write_text("raise SystemExit('bye')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"leaving:x cannot be loaded: SystemExit: bye"):
        find("leaving:x")
