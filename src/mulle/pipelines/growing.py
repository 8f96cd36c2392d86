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
from mulle.pipelines.promise import Promise, is_tuple, promises

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
        self._made: dict[Node, Unfolded] = {}
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
        self._made[step.node] = made
        for node in made.nodes:
            rewrite(node, self._made)
            self.enter(node, step.row.position)
        for name in self.frontier.after(step.node.name):
            later = self.steps[name]
            rewrite(later.node, self._made)
            later.before = [before.name for before in later.node.depends()]
            self.frontier.wait(name, later.before)
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

    def returned(self, value: Any) -> Any:
        """What the pipeline's function returned, without nodes that others came into the place of.

        A plain value that a branch gave is kept in the store, as what steps give is.
        """
        if isinstance(value, Promise):
            found = replaced(value, self._made)
            kept = found is None or any(True for _ in promises(found))
            return found if kept else values.encode(found, self._shelf)
        if type(value) is list:
            return [self.returned(item) for item in value]
        if is_tuple(value):
            items = [self.returned(item) for item in value]
            return tuple(items) if type(value) is tuple else type(value)._make(items)
        if type(value) is dict:
            return {key: self.returned(item) for key, item in value.items()}
        return value
