"""The hooks: when each is called, and what its answer means (flux-core's jobtap, flux-jobtap(7)).

Hooks are called on the event loop, in the order in which plugins are configured: a hook has to
return within milliseconds, and must not be a coroutine. None is "no opinion".
"""

from collections.abc import Mapping
from typing import Any, Final

import pluggy

from jobmgrd.plugins.answers import Answer, Refuse
from jobmgrd.plugins.job_view import JobView

PROJECT: Final = "jobmgrd"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a method of a plugin as a hook."""


class Hooks:
    """All hooks. Each plugin is asked by itself, so that an error in one concerns no other."""

    @hookspec(firstresult=True)
    def validate(self, job: JobView) -> str | None:
        """May this job be submitted, or updated so? A text refuses it, and is told to the user.

        Called last, when all else is found right: a job that no plugin refuses is taken in. An
        update is asked about as the job that it would make, which is active already.
        """

    @hookspec(firstresult=True)
    def update(
        self,
        job: JobView,
        path: str,
        value: Any,  # noqa: ANN401 - JSON
        userid: int,
    ) -> Answer | Refuse | None:
        """May this path of an active job's jobspec get this value? Refuse says why not.

        ACCEPT lets attributes be changed that jobmgrd has no rule for, as "attributes.user.tag":
        what that means is the plugin's business. Asked about each path of an update, and before
        `validate` is about all of them. `userid` asks for it: the owner of job or instance.
        """

    @hookspec(firstresult=True)
    def dependency(
        self, job: JobView, scheme: str, value: str, keys: Mapping[str, Any]
    ) -> Answer | Refuse | None:
        """Whether a dependency with a scheme of the plugin's is met.

        HOLD keeps the job in DEPEND until `manager.release(job.id, "SCHEME=VALUE")`, or "SCHEME"
        if there is no value. Asked at submit and, for jobs in DEPEND, whenever the plugin is
        loaded anew. `keys` is the whole dependency. A scheme that no plugin knows is refused.
        """

    @hookspec(firstresult=True)
    def hold(self, job: JobView) -> str | None:
        """Shall this job wait, which has met all its dependencies? For a description it does.

        It stays in DEPEND until `manager.release(job.id, description)`, and is then asked again; a
        description that it was released from before does not hold it. Asked, too, of jobs that
        some plugin holds, whenever one is loaded anew.
        """

    @hookspec(firstresult=True)
    def priority(self, job: JobView) -> int | None:
        """The priority of a job that is about to wait for resources; 0 holds it.

        The first plugin that answers decides; urgencies 0 (hold) and 31 (expedite) go before any.
        Asked again when the urgency changes, and after `manager.reprioritize()`.
        """

    @hookspec(firstresult=True)
    def job_new(self, job: JobView) -> None:
        """A job is active: submitted, or there already when the plugin is loaded."""

    @hookspec(firstresult=True)
    def job_lost(self, job: JobView) -> None:
        """A job of job_new could not be kept: its submit failed, and it never was."""

    @hookspec(firstresult=True)
    def job_state(self, job: JobView, state: str, t: float) -> None:
        """A job came to a state ("DEPEND", ..., "INACTIVE") at this UNIX time; that is durable."""

    @hookspec(firstresult=True)
    def job_update(self, job: JobView, updates: Mapping[str, Any]) -> None:
        """An active job's jobspec was changed, these paths to these values; that is durable."""

    @hookspec(firstresult=True)
    def inactive_add(self, job: JobView) -> None:
        """A job is inactive, and part of the history."""

    @hookspec(firstresult=True)
    def inactive_remove(self, id: int) -> None:
        """An inactive job was purged; may be told again after a crash."""
