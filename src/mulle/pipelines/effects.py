"""The effects of a run: what changes something outside of it. Never memoised, and idempotent by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from mulle.data.definition import Dataset
from mulle.data.partitions import Partition
from mulle.errors import PipelineError
from mulle.pipelines import values
from mulle.pipelines.graph import Node
from mulle.pipelines.model import ValueRef
from mulle.pipelines.promise import Promise, leaves, node_of, promises
from mulle.registry import versions
from mulle.registry.model import Inputs
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx
    from mulle.data.model import Version
    from mulle.pipelines.values import Shelf
    from mulle.registry.model import Candidate


@dataclass(frozen=True)
class Context:
    """What an effect may know of its run: the outputs and step runs by step, the versions that are read."""

    outputs: Mapping[str, Sequence[ValueRef]]
    step_runs: Mapping[str, str]
    heads: Mapping[str, Version]
    catalog: Catalog
    shelf: Shelf
    run: str


Done = Callable[["Tx"], tuple[str, bool]]
"""Ends an effect in the transaction that records it: the version that it made (`delay@3`), and whether that is new."""


def begin(node: Node, context: Context) -> Done:
    """Do of an effect what comes before the transaction that records it.

    Raises:
        PipelineError: what is registered is no model, or its report no report; what is committed is no table or files.
        DataError: the dataset does not take what is committed.
    """
    if node.effect == "commit":
        done = commit(node, context)
        return lambda tx: done  # noqa: ARG005 - the version has its own transaction: it may take a while
    made = candidate(node, context)
    return lambda tx: register(tx, made)


def candidate(node: Node, context: Context) -> Candidate:
    """What a registration will record; made before its transaction."""
    model, report = _ref(node, "model", {"model"}, context.outputs), None
    if node.arguments["report"] is not None:
        report = _ref(node, "report", {"report"}, context.outputs)
    return versions.candidate(
        context.shelf.store,
        node.arguments["name"],
        model.digest,
        run=context.run,
        step_run=context.step_runs[node_of(node.arguments["model"]).name],
        report=report.digest if report else "",
        inputs=taught_by(node.arguments["model"], context.heads),
        metrics=_metrics(context.shelf.store.get(Digest(report.digest))) if report else {},
    )


def register(tx: Tx, made: Candidate) -> tuple[str, bool]:
    """The registered version (`delay@3`), and whether it is new."""
    found = versions.register(tx, made)
    return found.ref, found.run == made.run


def commit(node: Node, context: Context) -> tuple[str, bool]:
    """The version of the dataset with what a step gave, and whether it is new; its lineage leads to the step."""
    from mulle.data.giving import give  # noqa: PLC0415 - start-up time: polars

    ref = _ref(node, "data", {"arrow", "file", "folder"}, context.outputs)
    maker = f"step_run:{context.step_runs[node_of(node.arguments['data']).name]}"
    content = values.decode(ref, context.shelf) if ref.codec == "arrow" else Digest(ref.digest)
    version, new = give(
        context.catalog,
        context.shelf.store,
        node.committed or node.arguments["dataset"],
        content,
        message=node.arguments["message"],
        facts={"run": context.run},
        along=lambda tx, made: tx.edge(f"dataset:{made.ref}", maker, "output"),
    )
    return version.ref, new


_WANTED = {"model": "mulle.Model", "report": "mulle.Report", "data": "table, or the path of a file or folder,"}


def _ref(node: Node, parameter: str, codecs: set[str], outputs: Mapping[str, Sequence[ValueRef]]) -> ValueRef:
    value = node.arguments[parameter]
    if isinstance(value, Promise):
        ref = outputs[node_of(value).name][value._index or 0]  # noqa: SLF001 - a promise shows nothing to user code
        if ref.codec in codecs:
            return ref
        given = f"'{node_of(value).name}' returned a value of the kind '{ref.codec}'"
    else:
        given = f"it was given {type(value).__name__}"
    raise PipelineError(
        f"mulle.{node.effect} takes the {parameter} that a step returned",
        cause=given,
        cure=f"return a {_WANTED[parameter]} from the step and pass its result",
    )


def taught_by(model: Promise, heads: Mapping[str, Version]) -> Inputs:
    """Which dataset and views taught a model: the nearest training set or dataset above it in the graph."""
    level, seen = [node_of(model)], set[int]()
    while level:
        for node in level:
            if node.kind == "training_set":
                dataset = node.arguments["dataset"]
                return Inputs.of(dataset, node.arguments["views"], _requested(dataset, heads))
            for found in (each for value in node.arguments.values() for each in leaves(value)):
                dataset = found.source if isinstance(found, Partition) else found
                if isinstance(dataset, Dataset):
                    return Inputs.of(dataset, [], _requested(dataset, heads))
        seen.update(map(id, level))
        above = [node_of(promise) for node in level for value in node.arguments.values() for promise in promises(value)]
        above += [before for node in level for before in node.after]
        level = [node for node in dict.fromkeys(above) if id(node) not in seen]
    return Inputs()


def _requested(dataset: Dataset, heads: Mapping[str, Version]) -> list[str]:
    outcomes = set(dataset.outcomes())
    return [name for name, _ in heads[dataset.name].schema if name not in outcomes]


class _Metrics(msgspec.Struct):
    metrics: dict[str, float | None]


def _metrics(report: bytes) -> dict[str, float]:
    """The metrics of an encoded report, without decoding its rows."""
    found = msgspec.msgpack.decode(report, type=_Metrics).metrics
    return {name: value for name, value in found.items() if value is not None}
