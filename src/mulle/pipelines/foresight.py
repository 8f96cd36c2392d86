"""What a run would do, without doing it: whether each step would be executed, and what changed since it last was.

Nothing runs and nothing is recorded. What depends on a step that would be executed cannot be known before: if that step
gives what it gave before, nothing below runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mulle.pipelines import memo, values
from mulle.pipelines.growing import Growing
from mulle.pipelines.identity import Identities
from mulle.pipelines.model import Forecast, Foreseen, ValueRef, Would
from mulle.pipelines.parts import Parts, Reason, differences
from mulle.pipelines.plan import Ongoing, Plan
from mulle.pipelines.promise import node_of

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.pipelines.memo import Former
    from mulle.pipelines.values import Shelf

_UNFOLDING = {"map", "reduce", "when"}


def foresee(plan: Plan, tx: Tx, shelf: Shelf) -> Forecast:
    """What a run of the plan would do, by what the memo knows now. The plan's graph is changed: use it only for this.

    Raises:
        PipelineError: a condition is known and no bool, or what is mapped over is no list.
    """
    return _Foresight(plan, tx, shelf).forecast()


class _Foresight:
    def __init__(self, plan: Plan, tx: Tx, shelf: Shelf) -> None:
        self._plan = plan
        self._tx = tx
        self._shelf = shelf
        self._outputs: dict[str, list[ValueRef]] = {}
        self._identities = Identities(plan, shelf.store, self._outputs)
        self._growing = Growing(plan, shelf, self._outputs, (f"{number:09}" for number in itertools.count()).__next__)
        self._decisions = self._growing.decisions
        self._open: dict[str, Would] = {}
        """Steps whose outputs are not known, and whether they would run."""
        self._found: list[tuple[tuple[int, str], Foreseen]] = []

    def forecast(self) -> Forecast:
        for position, node in enumerate(self._plan.graph.nodes):
            self._growing.enter(node, position)
        while (name := self._growing.frontier.take()) is not None:
            step = self._growing.steps[name]
            if (seen := self._see(step)) is not None:
                self._found.append((step.place, seen))
            self._growing.frontier.over(name)
        steps = [seen for _, seen in sorted(self._found, key=lambda pair: pair[0])]
        graph = self._plan.graph
        return Forecast(
            pipeline=graph.pipeline,
            steps=steps,
            would_run=sum(seen.would == "run" for seen in steps),
            may_run=sum(seen.would == "depends" for seen in steps),
            known=sum(seen.would == "known" for seen in steps),
            seconds=sum(seen.seconds for seen in steps if seen.would in {"run", "depends"}),
            as_of=self._plan.as_of,
            edges=graph.edges() if len(graph.nodes) == len(self._found) else [],
        )

    def _see(self, step: Ongoing) -> Foreseen | None:
        """What would become of a step; None of one that others have come into the place of."""
        node = step.node
        waits = [before for before in step.before if before in self._open]
        if any(node_of(promise).name in self._open for promise in node.conditions()):
            return self._unsure(step, waits)
        if self._decisions.skips(node):
            self._decisions.skip(node)
            return Foreseen(node.name, node.kind, "skipped")
        if node.kind in _UNFOLDING:
            return self._in_place(step, waits)
        if node.kind == "effect":
            self._outputs[node.name] = []
            return Foreseen(node.name, node.kind, "effect", [Reason("upstream", name) for name in waits])
        return self._below(step, waits) if waits else self._known(step)

    def _in_place(self, step: Ongoing, waits: Sequence[str]) -> Foreseen | None:
        """Put in the place of a node what it stands for, if that is known."""
        if step.node.kind == "when":
            self._growing.unfold(step, self._decisions.chosen(step.node))
        elif waits:
            return self._unsure(step, waits)
        else:
            self._growing.unfold(step, self._growing.items(step))
        return None

    def _unsure(self, step: Ongoing, waits: Sequence[str]) -> Foreseen:
        """Others decide, when they are over, whether it runs at all."""
        self._open[step.node.name] = "depends"
        return Foreseen(step.node.name, step.node.kind, "depends", [Reason("upstream", name) for name in waits])

    def _below(self, step: Ongoing, waits: Sequence[str]) -> Foreseen:
        """A step below one that would run: it runs for sure if nothing was ever computed by its code."""
        upstream = [Reason("upstream", name) for name in waits]
        now, former = self._nearest(step, set(waits))
        others = [] if former is None else differences(former.parts, now, ignoring="step ")
        if not step.caches:
            others = [Reason("uncached", "")]
        sure = not step.caches or not memo.computed(self._tx, now)
        would: Would = "run" if sure else "depends"
        because = [*others, *upstream] if former is not None or others else [Reason("new", ""), *upstream]
        self._open[step.node.name] = would
        return self._told(step, would, because, former)

    def _known(self, step: Ongoing) -> Foreseen:
        """A step whose inputs are all known: the memo says whether it was computed."""
        self._identities.identify(step)
        entry = memo.find(self._tx, step.row.key) if step.caches else None
        if entry is not None and all(values.there(ref, self._shelf) for ref in entry.outputs):
            self._outputs[step.node.name] = entry.outputs
            return Foreseen(step.node.name, step.node.kind, "known", former=entry.step_run, seconds=entry.seconds)
        self._open[step.node.name] = "run"
        now, former = self._nearest(step, set())
        if entry is not None:
            because = [Reason("lost", "")]
        elif not step.caches:
            because = [Reason("uncached", "")]
        elif former is None:
            because = [Reason("new", "")]
        else:
            because = differences(former.parts, now)
        return self._told(step, "run", because, former)

    def _nearest(self, step: Ongoing, unknown: set[str]) -> tuple[Parts, Former | None]:
        """The step's parts, and the former computation of it that differs in the fewest of them."""
        now = self._identities.parts(step) if not unknown else self._identities.known_parts(step, unknown)
        formers = memo.formers(self._tx, step.node.name, now.function)
        counted = [(len(differences(former.parts, now, ignoring="step ")), former) for former in formers]
        return now, min(counted, key=lambda pair: pair[0])[1] if counted else None

    def _told(self, step: Ongoing, would: Would, because: list[Reason], former: Former | None) -> Foreseen:
        origin, seconds = ("", 0.0) if former is None else (former.step_run, former.seconds)
        return Foreseen(step.node.name, step.node.kind, would, because, origin, seconds)
