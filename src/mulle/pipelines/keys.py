"""The memo key of a step: its code and its inputs, by content. Everything here is computed before a step runs."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.data.definition import Dataset
from mulle.data.partitions import Partition as DataPartition
from mulle.errors import PipelineError, UsageError
from mulle.hashing import digest_file
from mulle.hashing.code import CodeDigest, code_digest
from mulle.hashing.value import digest_value
from mulle.pipelines import values
from mulle.pipelines.graph import Node
from mulle.pipelines.model import Options, ValueRef
from mulle.pipelines.parts import PLACE, Code, Parts, brief, shown
from mulle.pipelines.promise import Promise, index_of, is_tuple, node_of, promises
from mulle.pipelines.task import Argument, Items, Partition, Plain, Reading, Stored, Version
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.data.model import Version as DatasetVersion
    from mulle.pipelines.values import Shelf

SALT = 1
"""Grows when a step of the same code and inputs must be computed anew: a change in how mulle runs steps."""

_PLATFORM = PLACE["platform"]


class Codes:
    """What the steps of one run are beside their inputs: their code, and what they declare to read; looked at once."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._known: dict[Any, CodeDigest] = {}
        self._told: dict[Any, Code] = {}
        self._settings: dict[Options, dict[str, str]] = {}

    def of(self, function: Callable[..., Any]) -> CodeDigest:
        """The code of a function or class and of all it reaches."""
        if function not in self._known:
            self._known[function] = code_digest(function, self._roots)
        return self._known[function]

    def told(self, function: Callable[..., Any]) -> Code:
        """The same as the memo keeps it."""
        if function not in self._told:
            found = self.of(function)
            reached = {name: brief(digest) for name, digest in found.parts.items()}
            self._told[function] = Code(found.digest, reached, found.distributions)
        return self._told[function]

    def settings(self, options: Options) -> dict[str, str]:
        """The digests of what a step declares: variables of the environment, files, where it runs, its command.

        A variable that is not set has "".

        Raises:
            PipelineError: there is no such file.
        """
        declared = Options(
            environ=options.environ,
            files=options.files,
            env=options.env,
            image=options.image or options.container,
            command=options.command,
        )
        if declared not in self._settings:
            found = {f"environ {name}": _variable(name) for name in options.environ}
            for pattern in options.files:
                found |= {f"file {name}": digest for name, digest in _files(self._roots[0], pattern)}
            if options.env:
                from mulle.pipelines import environments  # noqa: PLC0415 - start-up time: few steps have one

                found[f"env {options.env}"] = environments.digest_of(self._roots[0] / options.env)
            if declared.image:
                from mulle.pipelines import images  # noqa: PLC0415 - start-up time: few steps have one

                found[f"image {declared.image}"] = images.digest_of(declared.image)
            if options.command:
                found["command"] = digest_value(["command", options.command])
            self._settings[declared] = found
        return self._settings[declared]

    def declares_the_same(self, options: Options) -> bool:
        """Whether what a step declares to read still is as it was looked at."""
        declared = self.settings(options)
        try:
            return not declared or Codes(self._roots).settings(options) == declared
        except PipelineError:  # a file is gone
            return False

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

    def argument(self, value: Any, result: Callable[[Promise], Argument]) -> Argument:
        """The value as a task carries it."""
        if isinstance(value, Promise):
            return result(value)
        if isinstance(value, Dataset | DataPartition):
            return self._read(value)
        if type(value) in {list, tuple}:
            kind = "list" if type(value) is list else "tuple"
            return Items(kind, [], [self.argument(item, result) for item in value])  # type: ignore[arg-type]
        if is_tuple(value) and any(True for _ in promises(value)):
            home = [type(value).__module__, type(value).__qualname__]
            return Items("record", home, [self.argument(item, result) for item in value])
        if type(value) is dict and all(isinstance(key, str | int) for key in value):
            return Items("dict", list(value), [self.argument(item, result) for item in value.values()])
        return self._own(value)

    def _own(self, value: Any) -> Argument:
        """A value of the pipeline's own: as it is where it is plain and small, else in the store."""
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

    def told(self, argument: Argument) -> str:
        """The same in a few words, to be compared with later ones."""
        if isinstance(argument, Stored):
            return f"value {brief(digest_value(self.identity(argument)))}"
        if isinstance(argument, Version):
            head = self._heads[argument.name.partition("@")[0]]
            return f"table {head.ref} {brief(head.logical)}"
        if isinstance(argument, Partition):
            return f"partition {argument.key} {brief(argument.digest)}"
        if isinstance(argument, Plain):
            value = msgspec.msgpack.decode(argument.data)
            return shown(f"{value!r}", digest_value(argument.data))
        texts = [self.told(item) for item in argument.items]
        told = f"[{', '.join(texts)}]"
        if argument.kind == "dict":
            told = f"{{{', '.join(f'{key!r}: {text}' for key, text in zip(argument.keys, texts, strict=True))}}}"
        return shown(told, digest_value(self.identity(argument)))


def step_key(node: Node, arguments: Mapping[str, Argument], inputs: Inputs, codes: Codes) -> Digest:
    """The memo key of a step."""
    assert node.step is not None
    given = {name: inputs.identity(argument) for name, argument in arguments.items()}
    code = codes.of(node.step.function).digest
    settings = codes.settings(node.step.options)
    declared = [settings] if settings else []
    return digest_value(["step", SALT, _PLATFORM, code, given, node.outputs, *declared])


def step_parts(node: Node, arguments: Mapping[str, Argument], inputs: Inputs, codes: Codes) -> Parts:
    """What the key of a step, or of a union, is made of."""
    given = {name: inputs.told(argument) for name, argument in arguments.items()}
    settings = {**PLACE, "format": str(SALT)}
    if node.step is None:
        return Parts(f"mulle:{node.kind}", inputs=given, settings=settings)
    function = node.step.function
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', node.step.name)}"
    return Parts(name, codes.told(function), given, codes.settings(node.step.options) | settings)


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


def training_parts(node: Node, heads: Mapping[str, DatasetVersion], reading: Reading, codes: Codes) -> Parts:
    """What the key of a training set is made of."""
    dataset, views = node.arguments["dataset"], node.arguments["views"]
    read = {name: f"table {heads[name].ref} {brief(heads[name].logical)}" for name in reading.manifests}
    given = {**read, "window": f"{reading.window:g} s", "as_of": reading.as_of.isoformat()}
    told = [codes.told(view.function) for view in views]
    code = Code(
        digest_value([each.digest for each in told]),
        {name: digest for each in told for name, digest in each.reached.items()},
        {name: version for each in told for name, version in each.packages.items()},
    )
    return Parts(f"training_set:{dataset.name}", code, given, {"format": str(SALT)})


def union_key(arguments: Mapping[str, Argument], inputs: Inputs) -> Digest:
    """The memo key of a union: what is united, in order."""
    return digest_value(["union", SALT, {name: inputs.identity(argument) for name, argument in arguments.items()}])


def _variable(name: str) -> str:
    """The beginning of the digest of an environment variable: what it holds may be a secret."""
    value = os.environ.get(name)
    return "" if value is None else brief(digest_value(["environ", name, value]))


def _files(root: Path, pattern: str) -> list[tuple[str, str]]:
    """The files that a declared path or pattern means, below the project's folder, with their digests."""
    given = Path(pattern).expanduser()
    if given.is_absolute():
        found = [given] if given.is_file() else []
    else:
        found = sorted(path for path in root.glob(pattern) if path.is_file())
    if not found:
        raise PipelineError(
            f"there is no file '{pattern}'",
            cause=f"a step declares that it reads it, in {root}",
            cure="write it, or mend @mulle.step(files=[…])",
        )
    named = ((path, path.relative_to(root) if path.is_relative_to(root) else path) for path in found)
    return [(name.as_posix(), brief(digest_file(path))) for path, name in named]


def producer(promise: Promise, outputs: Mapping[str, Sequence[ValueRef]]) -> Stored:
    """The value that a promise stands for, once its step is over."""
    refs = outputs[node_of(promise).name]
    if index_of(promise) >= len(refs):
        raise UsageError(f"{promise!r} has no such output", cause=f"there are {len(refs)}", cure="run it again")
    return Stored(refs[index_of(promise)])
