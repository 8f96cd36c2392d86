"""What a step of a run is given, what it is known by, and the task that it makes."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from mulle.pipelines import keys
from mulle.pipelines.describing import described, versions_in
from mulle.pipelines.model import ValueRef
from mulle.pipelines.promise import Promise, node_of
from mulle.pipelines.task import Argument, Partition, Stored, Task, stored_in
from mulle.types import Digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mulle.pipelines.graph import Node
    from mulle.pipelines.parts import Parts
    from mulle.pipelines.plan import Ongoing, Plan
    from mulle.store import ObjectStore


class Identities:
    """The steps of one run, as far as what they are given is known. `outputs` grows as steps come to their ends."""

    def __init__(self, plan: Plan, store: ObjectStore, outputs: Mapping[str, Sequence[ValueRef]]) -> None:
        self._plan = plan
        self._store = store
        self._outputs = outputs

    def identify(self, step: Ongoing) -> None:
        """Find the step's arguments and from them its memo key. All that it takes has to be there."""
        node, plan = step.node, self._plan
        if node.kind in {"effect", "map", "reduce", "when"}:
            return
        if node.kind == "training_set":
            key = self._training_key(node)
        else:
            result = lambda promise: keys.producer(promise, self._outputs)  # noqa: E731 - passed on, not named
            step.arguments = {name: plan.inputs.argument(value, result) for name, value in node.arguments.items()}
            if node.kind == "union":
                key = keys.union_key(step.arguments, plan.inputs)
            else:
                key = keys.step_key(node, step.arguments, plan.inputs, plan.codes)
        inputs = {name: described(value) for name, value in node.arguments.items()}
        step.row = msgspec.structs.replace(step.row, key=key, inputs=inputs)

    def parts(self, step: Ongoing) -> Parts:
        """What the step's key was made of, to tell one day why another key is another."""
        node, plan = step.node, self._plan
        if node.kind == "training_set":
            return keys.training_parts(node, plan.heads, plan.readings[node.name], plan.codes)
        return keys.step_parts(node, step.arguments, plan.inputs, plan.codes)

    def known_parts(self, step: Ongoing, unknown: Collection[str]) -> Parts:
        """The same while some steps that it takes from are not over: what one of them gives is told as "step NAME"."""
        node, plan = step.node, self._plan

        def result(promise: Promise) -> Argument:
            name = node_of(promise).name
            return Stored(ValueRef("?", name)) if name in unknown else keys.producer(promise, self._outputs)

        arguments = {name: plan.inputs.argument(value, result) for name, value in node.arguments.items()}
        found = keys.step_parts(node, arguments, plan.inputs, plan.codes)
        told: dict[str, str] = {}
        for name, argument in arguments.items():
            if waits := [each.ref.digest for each in stored_in(argument) if each.ref.codec == "?"]:
                told[name] = f"step {', '.join(waits)}"
        return msgspec.structs.replace(found, inputs={**found.inputs, **told})

    def unchanged(self, step: Ongoing) -> bool:
        """Whether the code, and what it declares to read, is still what the key was made of.

        If not, it is not known which of the two has run.
        """
        if step.node.step is None:
            return True
        codes, options = self._plan.codes, step.node.step.options
        return codes.of(step.node.step.function).holds() and codes.declares_the_same(options)

    def reads(self, step: Ongoing) -> list[tuple[str, str]]:
        """The versions that it read, each with the partition that it read of it, or ""."""
        if step.node.kind == "training_set":
            return [(self._plan.heads[name].ref, "") for name in self._plan.readings[step.node.name].manifests]
        found = (each for argument in step.arguments.values() for each in versions_in(argument))
        return [(each.name, each.key if isinstance(each, Partition) else "") for each in found]

    def task(self, step: Ongoing, *, elsewhere: bool) -> Task:
        """What an executor is asked to do; `elsewhere`: in another process, which finds the function by its name."""
        node = step.node
        task = Task(
            step_run=step.row.id,
            owner=step.owner,
            name=node.name,
            module="",
            attribute="",
            arguments=step.arguments,
            outputs=node.outputs,
            reading=self._plan.readings.get(node.name),
            union=[node_of(promise).name for _, promise in node.inputs()] if node.kind == "union" else None,
            key=step.row.key,
            line=self._plan.line,
        )
        if node.step is None:
            return task
        options, outputs = node.step.options, node.step.outputs()
        alone = bool(options.env or options.image or options.container)
        away = elsewhere or alone
        module, attribute = node.step.reference() if away else ("", "")
        return msgspec.structs.replace(
            task,
            module=module,
            attribute=attribute,
            names=list(outputs.names) if outputs is not None else [],
            environ={name: os.environ.get(name) for name in options.environ},
            cpus=options.cpus,
            memory=options.memory,
            timeout=options.timeout,
            env=str(self._plan.root / options.env) if options.env else "",
            image=options.image,
            worker=alone,
        )

    def _training_key(self, node: Node) -> Digest:
        from mulle import features  # noqa: PLC0415 - start-up time: only pipelines with training sets load polars

        reading = self._plan.readings[node.name]
        dataset, views = node.arguments["dataset"], node.arguments["views"]
        spec = features.TrainingSpec(
            dataset=dataset,
            manifest=Digest(reading.manifests[dataset.name]),
            views=tuple((view, Digest(reading.manifests[view.source.name])) for view in views),
            window=timedelta(seconds=reading.window),
            as_of=reading.as_of,
        )
        return keys.training_key(spec, features.training_inputs(self._store, spec), self._plan.codes)
