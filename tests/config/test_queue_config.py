"""[queues] and [policy]: what is read, and what does not go together."""

from typing import Any

import pytest

from jobmgrd.config import Config, ConfigError, check
from jobmgrd.jobs.policy import Policy, Size
from jobmgrd.jobs.queues import QueueConfig


def read(raw: dict[str, Any]) -> Config:
    """A configuration that is well."""
    return check(raw, "config.load").config


def test_policies_and_queues_are_read_as_flux_writes_them() -> None:
    """Dotted keys are tables (flux-config-policy(5))."""
    limits = {"duration": "4h", "job-size": {"max": {"nnodes": 8}, "min": {"ngpus": -1}}}
    config = read(
        {
            "policy": {
                "jobspec": {"defaults": {"system": {"duration": "1h", "queue": "batch"}}},
                "limits": limits,
                "access": {"allow-user": ["root", 7], "allow-group": [0]},
            },
            "queues": {
                "batch": {"requires": ["b"]},
                "fast": {"parent": "batch", "policy": {"limits": {"duration": "inf"}}},
            },
        }
    )
    assert config.policy.policy == Policy(
        "batch", 3600.0, 14400.0, Size(8), Size(ngpus=-1), frozenset({0, 7}), frozenset({0})
    )
    assert config.queues == {
        "batch": QueueConfig(("b",)),
        "fast": QueueConfig(parent="batch", policy=Policy(duration=0.0)),
    }


@pytest.mark.parametrize(
    ("queues", "problem"),
    [
        ({"q": {"requires": "x"}}, "[queues.q] requires: Expected array, got string"),
        ({"q": 3}, "[queues.q]: Expected table, got integer"),
        ([], "[queues]: Expected table, got array"),
        ({"": {}}, "[queues]: name is empty"),
        ({"q": {"parnet": "p"}}, "parnet: unknown key (did you mean parent?)"),
        ({"q": {"parent": "q"}}, "[queues.q]: parent queue is itself"),
        ({"q": {"parent": "p"}}, "parent queue 'p' is not configured"),
        ({"p": {}, "q": {"parent": "p", "requires": ["x"]}}, "must not set 'requires'"),
        ({"p": {}, "q": {"parent": "p"}, "r": {"parent": "q"}}, "'q' is itself a virtual queue"),
        (
            {"q": {"policy": {"limits": {"job-size": {"max": {"nnodes": -2}}}}}},
            "[queues.q.policy.limits.job-size.max] nnodes: must be >= 0",
        ),
        ({"q": {"policy": {"access": {"allow-group": ["no such"]}}}}, "unknown group 'no such'"),
        ({"q": {"policy": {"access": {"allow-user": 0}}}}, "Expected array, got integer"),
        (
            {"q": {"policy": {"jobspec": {"defaults": {"system": {"queue": "q"}}}}}},
            "'policy' must not define a default queue",
        ),
    ],
)
def test_queues_that_do_not_go_together_are_refused(queues: object, problem: str) -> None:
    """The queue is named, and what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        read({"queues": queues})
    assert problem in str(caught.value)


def test_a_default_queue_has_to_be_one() -> None:
    """Where it was set is named."""
    with pytest.raises(ConfigError) as caught:
        read({"policy": {"jobspec": {"defaults": {"system": {"queue": "x"}}}}})
    assert "[policy.jobspec.defaults.system] queue: default queue 'x' is not in [queues]" in str(
        caught.value
    )
