"""What an executor is asked to do and what it answers; plain records that travel through a pipe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from mulle.pipelines.model import ValueRef


class Stored(msgspec.Struct, frozen=True, tag="stored"):
    """A value in the store."""

    ref: ValueRef


class Version(msgspec.Struct, frozen=True, tag="version"):
    """A table's version, read as a whole: its manifest's digest and its name (`flights@3`)."""

    manifest: str
    name: str


class Plain(msgspec.Struct, frozen=True, tag="plain"):
    """A plain value, written as msgpack."""

    data: bytes


class Items(msgspec.Struct, frozen=True, tag="items"):
    """A list, tuple or dict of arguments."""

    kind: Literal["list", "tuple", "dict"]
    keys: list[Any]
    items: list[Argument]


Argument: TypeAlias = Stored | Version | Plain | Items


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


def build(argument: Argument, stored: Callable[[ValueRef], Any], version: Callable[[str], Any]) -> Any:
    """The argument as the step's function takes it."""
    if isinstance(argument, Stored):
        return stored(argument.ref)
    if isinstance(argument, Version):
        return version(argument.manifest)
    if isinstance(argument, Plain):
        return msgspec.msgpack.decode(argument.data)
    items = [build(item, stored, version) for item in argument.items]
    if argument.kind == "dict":
        return dict(zip(argument.keys, items, strict=True))
    return items if argument.kind == "list" else tuple(items)
