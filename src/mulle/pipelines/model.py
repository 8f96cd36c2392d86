"""The records of pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from mulle.errors import StepFailedError
from mulle.pipelines.parts import Reason

NodeKind = Literal["step", "training_set", "map", "reduce", "when", "union", "effect"]
"""A `map` or `reduce` becomes steps when its items are known, a `when` what was chosen: they run nothing themselves."""
Ending = Literal["succeeded", "failed", "cancelled"]
StepStatus = Literal["pending", "running", "executed", "cached", "skipped", "failed", "cancelled"]
"""A step is `skipped` when it belongs to a branch that was not taken, or to a round that was not needed."""


class ValueRef(msgspec.Struct, frozen=True):
    """A value between steps: how it is encoded, and the object (or tree) that it is."""

    codec: str
    digest: str
    bytes: int = 0
    code: list[str] = []
    """Functions and classes of the project that the value was pickled with, as `module:qualname`."""
    seal: str = ""
    """The workspace's signature, where loading the value would run code that it carries."""


class Options(msgspec.Struct, frozen=True):
    """What a step asks for, and what it reads beside its inputs. Only the latter changes what the step computes."""

    cpus: int = 1
    memory: int = 0
    """Bytes; 0: not stated."""
    timeout: float = 0.0
    """Seconds; 0: none."""
    retries: int = 0
    cache: bool = True
    environ: tuple[str, ...] = ()
    """Names of environment variables that it reads."""
    files: tuple[str, ...] = ()
    """Paths and patterns, below the project's folder, of files that it reads."""
    backoff: float = 0.2
    """Seconds: the longest pause before the first retry; it doubles with each."""
    env: str = ""
    """A lock file below the project's root: the step runs in an environment of its own."""
    image: str = ""
    """An OCI image: the step runs in a container of it."""
    gpus: float = 0.0
    """GPUs of each process; a part of one, as 0.5, shares it."""
    gang: int = 1
    """How many processes the step runs in at once, all of them or none."""
    command: str = ""
    """Of a command step, all that says what it runs, as JSON."""
    container: str = ""
    """Of a command step, the image that the command runs in."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """What a step used at one look, so many seconds after it began; its processes together."""

    at: float
    cores: float
    """CPU seconds a second since the look before."""
    memory: int
    """Bytes that were resident."""
    gpus: float | None = None
    """Graphics processors that it kept busy; None where there is none."""
    gpu_memory: int | None = None


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a step, or its adoption from the memo."""

    id: str
    run: str
    name: str
    kind: NodeKind
    position: int
    status: StepStatus = "pending"
    key: str = ""
    origin: str = ""
    """The step run that computed the outputs: another one when they come from the memo."""
    attempts: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    inputs: dict[str, Any] = {}
    outputs: list[Any] = []
    error: str = ""
    samples: list[Sample] = []
    """What it used over time; empty where it was over within half a second."""


class GraphNode(msgspec.Struct, frozen=True):
    """A node of a run's graph, as a page draws it."""

    name: str
    kind: NodeKind
    status: StepStatus
    seconds: float = 0.0
    step_run: str = ""


class GraphEdge(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """`target` takes an output of `source`; the label is the parameter's name."""

    source: str
    target: str
    label: str


class RunGraph(msgspec.Struct, frozen=True):
    """A run's graph with the state of its steps."""

    run: str
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class StepResult(msgspec.Struct, frozen=True):
    """How a step of a run went."""

    name: str
    status: StepStatus
    seconds: float
    cpu_seconds: float
    step_run: str
    worth: float = 0.0
    """CPU seconds that it cost when it was computed, by this run or by the one whose outputs were adopted."""


Would: TypeAlias = Literal["run", "depends", "known", "skipped", "effect"]
"""What would become of a step: executed (or adopted from a step of the same run that computes the same); executed if
others give something else than before; adopted from the memo; left out; or an effect, which does something only where
its content is new."""


class Foreseen(msgspec.Struct, frozen=True):
    """What a run would do with a step, and why."""

    name: str
    kind: NodeKind
    would: Would
    because: list[Reason] = []
    former: str = ""
    """The step run of the nearest former computation, which the reasons are told against."""
    seconds: float = 0.0
    """What that one took."""


class Forecast(msgspec.Struct, frozen=True):
    """What a run of a pipeline would do."""

    pipeline: str
    steps: list[Foreseen]
    would_run: int
    may_run: int
    known: int
    seconds: float
    """What the steps that would or may run took before."""
    as_of: datetime | None = None
    edges: list[GraphEdge] = []


class RunResult(msgspec.Struct, frozen=True):
    """How a run went."""

    id: str
    status: Ending
    steps_executed: int
    steps_cached: int
    steps: list[StepResult]
    outputs: dict[str, ValueRef]
    model_versions: list[str]
    cpu_seconds: float
    as_of: datetime | None = None
    error: str = ""
    failure: dict[str, str] | None = None
    """A failed run's error, cause and cure."""
    pruned: bool = False
    """A trial that its study's pruner ended."""

    def check(self) -> RunResult:
        """The result itself.

        Raises:
            StepFailedError: a step failed.
        """
        if self.failure is not None:
            raise StepFailedError(self.failure["error"], cause=self.failure["cause"], cure=self.failure["cure"])
        return self


class Progress(msgspec.Struct, frozen=True):
    """A step of a run changed its state, or waits for its turn ("pending"); `done` of `total` steps are over."""

    run: str
    step: str
    status: StepStatus
    done: int
    total: int


class LogLine(msgspec.Struct, frozen=True):
    """A line that a step printed."""

    number: int
    text: str
