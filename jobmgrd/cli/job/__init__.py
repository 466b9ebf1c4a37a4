"""jobmgr job: commands about single jobs, and purge."""

from typing import Final

import click

from jobmgrd.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "purge": Entry("job.purge.purge", "Remove old inactive jobs for good."),
    "info": Entry("job.info.info", "Print what is kept of a job: jobspec, R, eventlog, output."),
    "eventlog": Entry("job.eventlog.eventlog", "Print what happened to a job, and when."),
    "wait": Entry(
        "job.wait.wait", "Wait until jobs have ended, exit as they did; or for waitable jobs."
    ),
    "status": Entry("job.status.status", "Wait until jobs have ended, say how they did."),
    "wait-event": Entry("job.wait_event.wait_event", "Wait until something happens to a job."),
    "last": Entry("job.last.last", "Print the ids of the jobs submitted last."),
    "stats": Entry("job.stats.stats", "Print how many jobs there are, by state and queue."),
    "timeleft": Entry("job.timeleft.timeleft", "Print how long a job may still run."),
    "kill": Entry("job.change.kill", "Send a signal to running jobs."),
    "raise": Entry("job.change.raise_", "Raise an exception on jobs."),
    "killall": Entry("job.change_all.killall", "Send a signal to all running jobs."),
    "raiseall": Entry("job.change_all.raiseall", "Raise an exception on all jobs that match."),
    "urgency": Entry("job.change.urgency", "Move a pending job up or down, hold or expedite it."),
    "memo": Entry("job.change.memo", "Attach notes to a job."),
    "pin": Entry("job.pin.pin", "Keep jobs whatever the limits say; list what is kept so."),
    "unpin": Entry("job.pin.unpin", "Let pinned jobs go when the limits say so."),
    "retention": Entry("job.retention.retention", "Say why a job is kept, and until when."),
    "orphans": Entry("job.orphans.orphans", "List records that could not be read back."),
    "id": Entry("job.id.id_", "Spell job ids in another way."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def job() -> None:
    """Look into one job, change it, purge old ones."""
