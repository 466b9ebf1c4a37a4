"""A plugin that notes what it is told, and one that cannot be made."""

from collections.abc import Mapping
from typing import Any

from jobmgrd.plugins import JobView, Manager, hookimpl
from jobmgrd.plugins.guard import Source
from tests.services.bench import Bench

HERE = __name__
HOLD_URGENCY = 0
"""Jobs of this urgency stay in SCHED, over a restart, too."""


class Noting:
    """Notes what it is told, and answers what the test says."""

    made: list["Noting"]

    def __init__(self, conf: Mapping[str, Any], manager: Manager) -> None:
        self.conf = conf
        self.manager = manager
        self.told: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = dict(conf)
        Noting.made.append(self)

    def answer(self, hook: str) -> Any:  # noqa: ANN401
        """What the test says, or what it raises."""
        found = self.answers.get(hook)
        if isinstance(found, Exception):
            raise found
        return found

    @hookimpl
    def validate(self, job: JobView) -> Any:  # noqa: ANN401
        """See Hooks."""
        self.told.append(("validate", job.id))
        return self.answer("validate")

    @hookimpl
    def dependency(self, scheme: str, keys: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("dependency") if scheme == "moon" and keys["value"] else None

    @hookimpl
    def hold(self) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("hold")

    @hookimpl
    def priority(self) -> Any:  # noqa: ANN401
        """See Hooks."""
        return self.answer("priority")

    @hookimpl
    def job_new(self, job: JobView) -> None:
        """See Hooks."""
        self.told.append(("job_new", job.id))

    @hookimpl
    def job_lost(self, job: JobView) -> None:
        """See Hooks."""
        self.told.append(("job_lost", job.id))

    @hookimpl
    def job_state(self, job: JobView, state: str) -> None:
        """See Hooks."""
        self.told.append((state, job.id))

    @hookimpl
    def update(self, path: str, value: Any, userid: int) -> Any:  # noqa: ANN401
        """See Hooks."""
        self.told.append(("update", path, value, userid))
        return self.answer("update")

    @hookimpl
    def job_update(self, job: JobView, updates: Mapping[str, Any]) -> None:
        """See Hooks."""
        self.told.append(("job_update", job.id, updates))

    @hookimpl
    def inactive_add(self, job: JobView) -> None:
        """See Hooks."""
        assert job.result is not None
        self.told.append(("inactive_add", job.id, job.result.name))

    @hookimpl
    def inactive_remove(self, id: int) -> None:
        """See Hooks."""
        self.told.append(("inactive_remove", id))


def broken(_conf: Mapping[str, Any], _manager: Manager) -> object:
    """A plugin that cannot be made."""
    raise ValueError("max-active is -1")


NOTING = Source(f"{HERE}:Noting")


def load(bench: Bench, *sources: Source) -> None:
    """Reload with these plugins."""
    bench.plugins.use(bench.plugins.prepare(sources))
