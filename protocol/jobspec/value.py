"""What a checked jobspec says, derived once so that nobody has to look into it again."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from protocol.errors import FormatError
from protocol.shell_options import ShellOptions


class TestExec(Struct, frozen=True):
    """The job is simulated (flux-core job-exec/testexec.c)."""

    __test__ = False  # pytest takes the name for a test

    run_duration: float  # seconds; 0.0 is until canceled
    wait_status: int = 0  # of the finish event
    mock_exception: str = ""  # "init" or "run": raise an exec exception in that phase
    override: bool = False  # start and finish when told to, not by a timer


class File(Struct, frozen=True, array_like=True):
    """A file that comes with the job."""

    mode: int  # permissions
    data: bytes


class Jobspec(Struct, frozen=True):
    """A checked jobspec. Durations are seconds; "" and None are "not given"."""

    command: tuple[str, ...]
    num_slots: int  # in all
    cores_per_slot: int
    gpus_per_slot: int
    nodes: int  # 0: no node level
    slots_per_node: int  # 0: no node level
    exclusive: bool  # whole nodes
    ntasks: int  # in all
    duration: float  # 0.0: unlimited
    cwd: str | None
    environment: Mapping[str, str]
    name: str  # the program's base name if it was given none
    given_name: str
    queue: str
    bank: str
    project: str
    dependencies: tuple[Mapping[str, Any], ...]  # each with strings "scheme" and "value" (RFC 26)
    constraints: Mapping[str, Any]  # RFC 31
    shell_options: Mapping[str, Any]
    shell: ShellOptions  # those that are known, checked
    files: Mapping[str, File]  # put into the job's temporary directory
    test: TestExec | None
    user: Mapping[str, Any]

    @property
    def ncores(self) -> int:
        """Cores of all slots."""
        return self.num_slots * self.cores_per_slot

    @property
    def ngpus(self) -> int:
        """GPUs of all slots."""
        return self.num_slots * self.gpus_per_slot


def wrong(path: str, text: str) -> FormatError:
    """The error that names what is wrong at a path of a jobspec."""
    return FormatError(f"jobspec: {path}: {text}")
