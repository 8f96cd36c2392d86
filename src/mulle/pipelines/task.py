"""What an executor is asked to do and what it answers; plain records that travel through a pipe."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from mulle.pipelines.model import Sample, ValueRef
from mulle.tracking.reporting import Line


class Stored(msgspec.Struct, frozen=True, tag="stored"):
    """A value in the store."""

    ref: ValueRef


class Version(msgspec.Struct, frozen=True, tag="version"):
    """A table's version, read as a whole: its manifest's digest and its name (`flights@3`)."""

    manifest: str
    name: str


class Partition(msgspec.Struct, frozen=True, tag="partition"):
    """A partition of a version: the digest of its content, and where it is.

    Of a table, its rows are those of `key` in `pieces` (its parts, as JSON) split `by` the serialised expressions; of a
    tree, `digest` is that of the tree of its files, and `pieces` are empty.
    """

    digest: str
    name: str
    """The version's (`flights@3`)."""
    key: str
    by: bytes = b""
    pieces: bytes = b""


class Plain(msgspec.Struct, frozen=True, tag="plain"):
    """A plain value, written as msgpack."""

    data: bytes


class Items(msgspec.Struct, frozen=True, tag="items"):
    """A list, tuple or dict of arguments."""

    kind: Literal["list", "tuple", "dict", "record"]
    keys: list[Any]
    """Of a dict its keys; of a record (a NamedTuple) the module and name of its class."""
    items: list[Argument]


Argument: TypeAlias = Stored | Version | Partition | Plain | Items


class Reading(msgspec.Struct, frozen=True):
    """The training set to build: names of the project's definitions, and which versions they are read at."""

    dataset: str
    views: list[str]
    window: float
    as_of: datetime
    manifests: dict[str, str]


class Task(msgspec.Struct, frozen=True):
    """One attempt at one step."""

    step_run: str
    owner: str
    name: str
    module: str
    attribute: str
    arguments: dict[str, Argument]
    outputs: int | None
    cpus: int = 1
    memory: int = 0
    timeout: float = 0.0
    reading: Reading | None = None
    """Set for a training set; then there is no function to call."""
    names: list[str] = []
    """Of a step that returns a TypedDict: its keys, in the order of the outputs."""
    environ: dict[str, str | None] = {}
    """What the environment variables that the step declares are while it runs; None: not set."""
    union: list[str] | None = None
    """Set for a union, which has no function either: the names of those whose results are united."""
    key: str = ""
    """The memo key: under it lie the step's checkpoints."""
    env: str = ""
    """The lock file of the environment that it runs in, as an absolute path; "" for the pool's own."""
    image: str = ""
    """The image of the container that it runs in; "" for none."""
    gang: int = 1
    """In how many processes it runs at once; then the others are those of one of them."""
    visible: list[str] = []
    """What CUDA_VISIBLE_DEVICES is in each of its processes; as it is where there is none."""
    cores: list[int] = []
    """The cores that it is held to; any where there are none."""
    worker: bool = False
    """It needs a worker process, whatever executor it is given to."""
    line: Line | None = None
    """Where a trial's values are told to."""


PRUNED = "PrunedError"
"""The kind of a failure that is none: the study's pruner ended the trial."""


MOVED = frozenset({"Preempted", "NodeLost"})
"""Kinds of failures that are not the step's own: it begins anew, and that does not count as a retry."""


class Failure(msgspec.Struct, frozen=True):
    """Why a step failed: the user's line first, then the whole trace."""

    kind: str
    message: str
    where: str
    trace: str
    final: bool = False
    """Trying again cannot help."""
    cure: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a task."""

    step_run: str
    outputs: list[ValueRef] = []
    failure: Failure | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    facts: int = 0
    """How many metrics, parameters and artifacts it logged."""
    samples: list[Sample] = []
    """What it used over time."""
    checkpoints: int = 0
    """How often it saved or loaded a checkpoint."""


def stored_in(argument: Argument) -> Iterator[Stored]:
    """The values in the store that an argument holds, in order."""
    if isinstance(argument, Stored):
        yield argument
    elif isinstance(argument, Items):
        for item in argument.items:
            yield from stored_in(item)


def build(argument: Argument, stored: Callable[[ValueRef], Any], version: Callable[[Version | Partition], Any]) -> Any:
    """The argument as the step's function takes it."""
    if isinstance(argument, Stored):
        return stored(argument.ref)
    if isinstance(argument, Version | Partition):
        return version(argument)
    if isinstance(argument, Plain):
        return msgspec.msgpack.decode(argument.data)
    items = [build(item, stored, version) for item in argument.items]
    if argument.kind == "dict":
        return dict(zip(argument.keys, items, strict=True))
    if argument.kind == "record":
        found: Any = importlib.import_module(argument.keys[0])
        for name in argument.keys[1].split("."):
            found = getattr(found, name)
        return found(*items)
    return items if argument.kind == "list" else tuple(items)
