"""The records of pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

NodeKind = Literal["step", "training_set", "effect"]
StepStatus = Literal["pending", "running", "executed", "cached", "failed", "cancelled"]


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
    """What a step asks for. None of it changes what the step computes."""

    cpus: int = 1
    memory: int = 0
    """Bytes; 0: not stated."""
    timeout: float = 0.0
    """Seconds; 0: none."""
    retries: int = 0
    cache: bool = True


class StepRun(msgspec.Struct, frozen=True):
    """One execution of a step, or its adoption from the memo."""

    id: str
    run: str
    name: str
    kind: NodeKind
    status: StepStatus
    position: int
    key: str
    origin: str
    """The step run that computed the outputs: another one when they come from the memo."""
    attempts: int
    started: datetime | None
    ended: datetime | None
    seconds: float
    cpu_seconds: float
    peak_memory: int
    inputs: dict[str, Any]
    outputs: list[Any]
    error: str


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


class RunResult(msgspec.Struct, frozen=True):
    """How a run went."""

    id: str
    status: Literal["succeeded", "failed", "cancelled"]
    steps_executed: int
    steps_cached: int
    steps: list[StepResult]
    outputs: dict[str, ValueRef]
    model_versions: list[str]
    cpu_seconds: float
    as_of: datetime | None = None
    error: str = ""


class Progress(msgspec.Struct, frozen=True):
    """A step of a run changed its state; `done` of `total` steps are over."""

    run: str
    step: str
    status: StepStatus
    done: int
    total: int


class LogLine(msgspec.Struct, frozen=True):
    """A line that a step printed."""

    number: int
    text: str
