"""The shape of a version 1 jobspec: RFC 25's objects, keys and counts, as typed structs.

Unknown keys are refused where RFC 25 lists the keys (the jobspec, resources, tasks, attributes) and
ignored where it does not (attributes.system and below). Where the RFC's text, its schema and
flux-core's checks (libjob/jobspec1.c) differ, what flux-core accepts is accepted: `exclusive` on a
slot (the schema has it there, the text on the node), `per_slot` above one, and a `total` above the
number of slots, as in the RFC's own use case 2.1.
"""

from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct, field

COUNT_MAX: Final = 2**20
"""More slots or tasks than this are a mistake or an attack, not a job for one host."""

Count: TypeAlias = Annotated[int, Meta(ge=1, le=COUNT_MAX)]


class Core(Struct, tag_field="type", tag="core", forbid_unknown_fields=True):
    """Cores of each slot."""

    count: Count
    unit: str = ""


class Gpu(Struct, tag_field="type", tag="gpu", forbid_unknown_fields=True):
    """GPUs of each slot."""

    count: Count
    unit: str = ""


class Slot(Struct, tag_field="type", tag="slot", forbid_unknown_fields=True):
    """Slots: of each node if there is a node level, else of the job."""

    count: Count
    label: str
    resources: tuple[Core | Gpu, ...] = field(name="with")
    unit: str = ""
    exclusive: bool = False


class Node(Struct, tag_field="type", tag="node", forbid_unknown_fields=True):
    """Nodes, each with the same slots."""

    count: Count
    slots: tuple[Slot | Core] = field(name="with")  # only a union makes "type" required
    unit: str = ""
    exclusive: bool = False


class TaskCount(Struct, forbid_unknown_fields=True):
    """Exactly one of the two."""

    per_slot: Count | None = None
    total: Count | None = None


class Task(Struct, forbid_unknown_fields=True):
    """What runs in the slots with this label."""

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    slot: str
    count: TaskCount


class Test(Struct):
    """attributes.system.exec.test: simulate the job (flux-core job-exec/testexec.c)."""

    run_duration: float | str | None = None
    wait_status: Annotated[int, Meta(ge=0, le=0xFFFF)] = 0
    mock_exception: str = ""
    override: bool | int = False


class Exec(Struct):
    """attributes.system.exec."""

    test: Test | None = None


class Shell(Struct):
    """attributes.system.shell; what its options are is in protocol/shell_options.py."""

    options: dict[str, Any] = {}


class Metadata(Struct):
    """attributes.system.job."""

    name: str = ""


class Dependency(Struct):
    """One of attributes.system.dependencies (RFC 26); a scheme may define more keys."""

    scheme: str
    value: str


class File(Struct):
    """One of attributes.system.files (RFC 37): what is put into the job's temporary directory."""

    data: str | dict[str, Any]
    mode: Annotated[int, Meta(ge=0)] = 0o600
    encoding: str = ""


class System(Struct):
    """attributes.system: the keys the daemon knows; others are allowed and kept as submitted."""

    duration: float | str
    cwd: str | None = None
    environment: dict[str, str | None] = {}
    queue: str = ""
    bank: str = ""
    project: str = ""
    job: Metadata = field(default_factory=Metadata)
    dependencies: tuple[dict[str, Any], ...] = ()
    constraints: dict[str, Any] = {}
    files: dict[str, File] = {}
    shell: Shell = field(default_factory=Shell)
    exec: Exec = field(default_factory=Exec)


class Attributes(Struct, forbid_unknown_fields=True):
    """User attributes are free."""

    system: System
    user: dict[str, Any] = {}


class JobspecV1(Struct, forbid_unknown_fields=True):
    """The whole jobspec: one program, one resource graph."""

    version: Annotated[int, Meta(ge=1, le=1)]
    resources: tuple[Node | Slot]
    tasks: tuple[Task]
    attributes: Attributes
