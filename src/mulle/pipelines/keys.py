"""The memo key of a step: its code and its inputs, by content. Everything here is computed before a step runs."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.data.definition import Dataset
from mulle.data.partitions import Partition as DataPartition
from mulle.errors import UsageError
from mulle.hashing.code import CodeDigest, code_digest
from mulle.hashing.value import digest_value
from mulle.pipelines import values
from mulle.pipelines.graph import Node, index_of, node_of
from mulle.pipelines.model import ValueRef
from mulle.pipelines.promise import Promise
from mulle.pipelines.task import Argument, Items, Partition, Plain, Stored, Version
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.data.model import Version as DatasetVersion
    from mulle.pipelines.values import Shelf

SALT = 1
"""Grows when a step of the same code and inputs must be computed anew: a change in how mulle runs steps."""

_PLATFORM = f"{sys.platform}-{platform.machine()}"


class Codes:
    """Code digests for one run, each function's computed once."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._known: dict[Any, CodeDigest] = {}

    def of(self, function: Callable[..., Any]) -> CodeDigest:
        """The code of a function or class and of all it reaches."""
        if function not in self._known:
            self._known[function] = code_digest(function, self._roots)
        return self._known[function]

    def named(self, name: str) -> Digest | str:
        """The code of `module:qualname`, which a pickled value refers to; a text where it is gone."""
        module, _, qualname = name.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return f"gone: {name}"
        return self.of(found).digest


class Inputs:
    """Turns what a pipeline passed to a step into what an executor and the memo need."""

    def __init__(self, shelf: Shelf, codes: Codes, heads: Mapping[str, DatasetVersion]) -> None:
        self._shelf = shelf
        self._codes = codes
        self._heads = heads
        self._kept: dict[int, tuple[Any, Stored]] = {}

    def keep(self, node: Node) -> None:
        """Put the node's own values (not promises) where workers find them, before anything runs."""
        for value in node.arguments.values():
            self.argument(value, lambda promise: Stored(ValueRef("", f"promise {promise!r}")))

    def argument(self, value: Any, result: Callable[[Promise], Stored]) -> Argument:
        """The value as a task carries it."""
        if isinstance(value, Promise):
            return result(value)
        if isinstance(value, Dataset | DataPartition):
            return self._read(value)
        if type(value) in {list, tuple}:
            kind = "list" if type(value) is list else "tuple"
            return Items(kind, [], [self.argument(item, result) for item in value])  # type: ignore[arg-type]
        if type(value) is dict and all(isinstance(key, str | int) for key in value):
            return Items("dict", list(value), [self.argument(item, result) for item in value.values()])
        if value is None or type(value) in {bool, int, float, str, bytes}:
            try:
                return Plain(msgspec.msgpack.encode(value))
            except OverflowError:
                pass
        if id(value) not in self._kept:
            self._kept[id(value)] = (value, Stored(values.encode(value, self._shelf)))
        return self._kept[id(value)][1]

    def _read(self, value: Dataset | DataPartition) -> Argument:
        if isinstance(value, Dataset):
            head = self._heads[value.name]
            return Version(head.digest, head.ref)
        pieces = msgspec.json.encode(value.pieces) if value.pieces else b""
        return Partition(value.digest, value.ref, value.key, value.by, pieces)

    def identity(self, argument: Argument) -> Any:
        """What of an argument counts for the memo."""
        if isinstance(argument, Stored):
            ref = argument.ref
            return ["value", ref.codec, ref.digest, [[name, self._codes.named(name)] for name in ref.code]]
        if isinstance(argument, Version):
            head = self._heads[argument.name.partition("@")[0]]
            return ["table", head.logical]
        if isinstance(argument, Partition):  # not its key: the rows and the paths of files are its content
            return ["partition", argument.digest]
        if isinstance(argument, Plain):
            return ["plain", argument.data]
        items = [self.identity(item) for item in argument.items]
        return [argument.kind, argument.keys, items]  # a dict's order counts: the step may iterate over it


def step_key(node: Node, arguments: Mapping[str, Argument], inputs: Inputs, codes: Codes) -> Digest:
    """The memo key of a step."""
    assert node.step is not None
    given = {name: inputs.identity(argument) for name, argument in arguments.items()}
    code = codes.of(node.step.function).digest
    return digest_value(["step", SALT, _PLATFORM, code, given, node.outputs])


def training_key(spec: Any, parts: Mapping[str, Sequence[str]], codes: Codes) -> Digest:
    """The memo key of a training set: the parts it may read, the instants, and the code of its views."""
    dataset = spec.dataset
    views = [
        [view.name, list(view.entity), view.source.name, view.ttl, view.delay, view.lookback, view.withheld()]
        + ([view.source.arrives] if view.source.arrives is not None else [])
        for view, _ in spec.views
    ]
    code = [codes.of(view.function).digest for view, _ in spec.views]
    rows = [dataset.name, list(dataset.key), dataset.event_time, dataset.asked, dataset.label, dataset.label_delay]
    outcomes = dataset.outcomes()
    read = {name: list(digests) for name, digests in parts.items()}
    return digest_value(["training_set", SALT, rows, outcomes, views, code, read, spec.window, spec.as_of])


def union_key(arguments: Mapping[str, Argument], inputs: Inputs) -> Digest:
    """The memo key of a union: what is united, in order."""
    return digest_value(["union", SALT, {name: inputs.identity(argument) for name, argument in arguments.items()}])


def producer(promise: Promise, outputs: Mapping[str, Sequence[ValueRef]]) -> Stored:
    """The value that a promise stands for, once its step is over."""
    refs = outputs[node_of(promise).name]
    if index_of(promise) >= len(refs):
        raise UsageError(f"{promise!r} has no such output", cause=f"there are {len(refs)}", cure="run it again")
    return Stored(refs[index_of(promise)])
