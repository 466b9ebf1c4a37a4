"""What differs between two configurations, and what of it waits for a restart."""

from jobmgrd.config import (
    Config,
    check,
    describe_change,
    restart_required,
)


def test_a_change_is_told_by_dotted_names() -> None:
    """Only what differs is named, and of it what must wait for a restart."""
    new = {
        "heartbeat": {"period": "3s"},
        "resource": {"cores": 4, "gpus": 0},
        "store": {"durability": "os"},
    }
    config = check(new, "x").config
    changed = ["heartbeat.period", "store.durability", "resource.cores"]
    assert describe_change(Config(), config) == changed
    assert restart_required(Config(), config) == ["store.durability", "resource.cores"]
    assert describe_change(config, config) == []


def test_switching_the_archive_waits_for_a_restart() -> None:
    """On or off is a change of the table; within it, of the key. Rules and limits apply at once."""
    off = Config()
    on = check({"job-manager": {"archive": {}}}, "x").config
    moved = check({"job-manager": {"archive": {"path": "/a"}}}, "x").config
    for old, new, changed in [
        (off, on, ["job-manager.archive"]),
        (moved, off, ["job-manager.archive"]),
        (on, moved, ["job-manager.archive.path"]),
    ]:
        assert describe_change(old, new) == restart_required(old, new) == changed
    raw = {"tombstone-limit": {"num": 5}, "retention": [{"name": "a"}]}
    other = check({"job-manager": raw}, "x").config
    changed = ["job-manager.tombstone-limit.num", "job-manager.retention"]
    assert describe_change(off, other) == changed
    assert restart_required(off, other) == []
