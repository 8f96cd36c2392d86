"""The steps of a run, and how they become more while it goes on: what a node stands for comes into its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mulle.pipelines import values
from mulle.pipelines.deciding import Decisions
from mulle.pipelines.frontier import Frontier
from mulle.pipelines.mapping import Unfolded, replaced, rewrite
from mulle.pipelines.model import StepRun
from mulle.pipelines.plan import Ongoing, Plan
from mulle.pipelines.promise import promises

if TYPE_CHECKING:
    from mulle.pipelines.graph import Node
    from mulle.pipelines.model import ValueRef
    from mulle.pipelines.values import Shelf


class Growing:
    """The steps of one run by name, which of them are ready, and what has been decided. The plan's graph is changed."""

    def __init__(
        self, plan: Plan, shelf: Shelf, outputs: Mapping[str, Sequence[ValueRef]], new_id: Callable[[], str]
    ) -> None:
        """Begin without steps; `outputs` grows as steps come to their ends, `new_id` gives time-ordered ids."""
        self.steps: dict[str, Ongoing] = {}
        self.frontier = Frontier()
        self.decisions = Decisions(shelf, outputs)
        self.run = ""
        """The run that steps which are entered from now on belong to."""
        self._plan = plan
        self._shelf = shelf
        self._new_id = new_id

    def enter(self, node: Node, position: int) -> Ongoing:
        """Make a node a step, which waits for those that it takes from."""
        row = StepRun(id=self._new_id(), run=self.run, name=node.name, kind=node.kind, position=position)
        step = self.steps[node.name] = Ongoing(node, row, [before.name for before in node.depends()])
        self.frontier.add(node.name, step.place, step.before)
        return step

    def unfold(self, step: Ongoing, made: Unfolded) -> None:
        """Put what a node stands for in its place: those that wait for it wait for that instead."""
        for node in made.nodes:
            self.enter(node, step.row.position)
        for name in self.frontier.after(step.node.name):
            later = self.steps[name]
            rewrite(later.node, {step.node: made})
            later.before = [before.name for before in later.node.depends()]
            self.frontier.wait(name, later.before)
        graph = self._plan.graph
        graph.returned = replaced(graph.returned, {step.node: made._replace(value=self._returned(made))})
        self.frontier.over(step.node.name)
        del self.steps[step.node.name]

    def items(self, step: Ongoing) -> Unfolded:
        """What a node that goes over a list stands for; the items are kept where workers find them.

        Raises:
            PipelineError: what was given is no list, or empty where something has to come out.
        """
        made = self.decisions.items(step.node)
        for node in made.nodes:
            self._plan.inputs.keep(node)
        return made

    def in_order(self) -> list[Ongoing]:
        """The steps in the order of the calls."""
        return sorted(self.steps.values(), key=lambda step: step.place)

    def _returned(self, made: Unfolded) -> Callable[[int | None], Any]:
        """As `made.value`, for the pipeline's own result: a plain value is kept as steps' outputs are."""

        def value(place: int | None) -> Any:
            found = made.value(place)
            plain = found is not None and not made.nodes and not any(True for _ in promises(found))
            return values.encode(found, self._shelf) if plain else found

        return value
