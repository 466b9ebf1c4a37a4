"""Policy: limits in flux-core's words, and who goes before whom."""

import pytest

from jobmgrd.jobs.policy import Policy, Size
from protocol.errors import FormatError
from protocol.jobspec import Jobspec, from_command, parse

HOUR = 3600.0


def spec(
    queue: str | None = None, duration: float = 0.0, tasks: int = 1, nodes: int = 0
) -> Jobspec:
    """A job of so many tasks of two cores and a GPU."""
    return parse(
        from_command(
            ["true"],
            num_tasks=tasks,
            num_nodes=nodes,
            cores_per_task=2,
            gpus_per_task=1,
            duration=duration,
            queue=queue,
        )
    )


@pytest.mark.parametrize(
    ("policy", "job", "text"),
    [
        (
            Policy(duration=HOUR),
            spec("debug", 2 * HOUR),
            "requested duration (2h) exceeds policy limit of 1h for queue debug",
        ),
        (
            Policy(duration=HOUR),
            spec(),
            "requested duration (unlimited) exceeds policy limit of 1h",
        ),
        (
            Policy(max=Size(nnodes=1)),
            spec(tasks=2, nodes=2),
            "requested nnodes (2) exceeds policy limit of 1",
        ),
        (
            Policy(max=Size(ncores=5)),
            spec(tasks=3),
            "requested ncores (6) exceeds policy limit of 5",
        ),
        (Policy(max=Size(ngpus=0)), spec(), "requested ngpus (1) exceeds policy limit of 0"),
        (Policy(min=Size(nnodes=1)), spec(), "requested nnodes (0) is under policy limit of 1"),
        (
            Policy(min=Size(ngpus=2)),
            spec("x"),
            "requested ngpus (1) is under policy limit of 2 for queue x",
        ),
    ],
)
def test_a_job_against_a_limit_is_told_which(policy: Policy, job: Jobspec, text: str) -> None:
    """What was asked for, the limit, and the queue if it has one."""
    with pytest.raises(FormatError) as caught:
        policy.check(job)
    assert str(caught.value) == text


def test_a_job_at_its_limits_passes() -> None:
    """They are inclusive; 0 seconds and -1 are no limit."""
    Policy(duration=HOUR, max=Size(1, 2, 1), min=Size(1, 2, 1)).check(spec(None, HOUR, 1, 1))
    Policy(duration=0.0, max=Size(-1, -1, -1), min=Size(-1)).check(spec(tasks=99))


def test_what_a_policy_says_goes_before_a_more_general_one() -> None:
    """Key by key; unlimited defeats a limit."""
    general = Policy("q", 60.0, HOUR, Size(4, 8), Size(ncores=2))
    own = Policy(duration=0.0, max=Size(nnodes=-1))
    assert own.over(general) == Policy("q", 60.0, 0.0, Size(-1, 8), Size(ncores=2))


@pytest.mark.parametrize(
    ("users", "groups", "admitted"),
    [
        (None, None, [1, 2, 3]),
        ({1}, None, [1]),
        (None, {20}, [2]),
        ({1}, {20}, [1, 2]),
        (set(), None, []),
    ],
)
def test_a_queue_may_be_for_some_users_and_groups(
    users: set[int] | None, groups: set[int] | None, admitted: list[int]
) -> None:
    """Either suffices (RFC 33); groups are looked up only if they matter."""
    asked = []

    def groups_of(userid: int) -> list[int]:
        asked.append(userid)
        return {2: [20, 21]}.get(userid, [])

    policy = Policy(
        users=None if users is None else frozenset(users),
        groups=None if groups is None else frozenset(groups),
    )
    assert [user for user in (1, 2, 3) if policy.admits(user, groups_of)] == admitted
    assert bool(asked) == bool(groups)
