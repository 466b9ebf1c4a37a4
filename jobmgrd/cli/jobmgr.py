"""The command line of the client: jobmgr [--uri URI] COMMAND."""

import io
import sys
from typing import Any, Final

import click

from jobmgrd import VERSION
from jobmgrd.cli.connection import key_options, uri_option
from jobmgrd.cli.failure import reported
from jobmgrd.cli.lazy import Entry, LazyGroup, examples

COMMANDS: Final = {
    "submit": Entry("submission.submit.submit", "Submit a job, or one for each of a set of ids."),
    "bulksubmit": Entry(
        "submission.bulksubmit.bulksubmit", "Submit a job for each of many inputs."
    ),
    "run": Entry("submission.run.run", "Submit a job, show its output, exit as it does."),
    "attach": Entry("attached.attach.attach_", "Show the output of a job, and exit as it does."),
    "batch": Entry("submission.batch.batch", "Submit a script with directives."),
    "jobs": Entry("listing.jobs.jobs", "List jobs."),
    "watch": Entry("watch.watch", "Watch jobs, queues, throughput, purges and events live."),
    "cancel": Entry("cancel.cancel", "Cancel jobs."),
    "update": Entry("update.update", "Change the jobspec of a job: duration, queue, name, ..."),
    "job": Entry("job.job", "Look into one job, change it, purge old ones."),
    "queue": Entry("queue.queue", "List queues, stop and start them, wait until they are empty."),
    "resource": Entry("resource.resource", "List nodes, drain them, give them back."),
    "housekeeping": Entry("housekeeping.housekeeping", "See and end what runs after jobs."),
    "jobtap": Entry("jobtap.jobtap", "Look at the plugins of the job manager."),
    "archive": Entry("archive.commands.archive", "List, show and export purged jobs."),
    "stats": Entry("stats.stats", "Show the daemon's counters."),
    "event": Entry("event.event", "Follow events, or publish one."),
    "config": Entry("config.config", "Show or change the daemon's configuration."),
    "keygen": Entry("keygen.keygen", "Make a key, for tcp:// endpoints."),
    "doctor": Entry("doctor.doctor", "Look for what usually goes wrong, and say what to do."),
    "ping": Entry("ping.ping", "See whether the daemon answers, and how fast."),
}


class Jobmgr(LazyGroup):
    """The root group: the one place that reports what commands raise."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command."""
        with reported():
            return super().invoke(ctx)


@click.group(
    cls=Jobmgr,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "jobmgr run -n2 hostname                     run two tasks and see their output",
        "jobmgr submit --cc=1-100 ./step.sh {cc}     submit a hundred jobs",
        "jobmgr jobs -a                              list them, ended ones too",
        "jobmgr job purge --age-limit=7d             see what a week's limit would purge",
    ),
)
@click.version_option(VERSION, prog_name="jobmgr")
def cli() -> None:
    """Submit, watch, cancel and purge jobs of a running jobmgrd.

    JOBIDs are accepted in every spelling that Flux has: ƒ58, decimal, hexadecimal, dothex, words
    and emoji; `jobmgr job id` turns one into another.
    """


cli.params[:0] = [uri_option(), *key_options()]


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a name shows \\x..
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="jobmgr")


if __name__ == "__main__":
    main()
