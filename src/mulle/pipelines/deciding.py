"""What the middle of a run decides: which branch is taken, which rounds are made, what there is to map over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mulle.errors import PipelineError
from mulle.pipelines import values
from mulle.pipelines.mapping import Unfolded, numbered, over, unfolded
from mulle.pipelines.promise import Promise, index_of, node_of

if TYPE_CHECKING:
    from mulle.pipelines.graph import Guard, Node
    from mulle.pipelines.model import ValueRef
    from mulle.pipelines.values import Shelf


class Decisions:
    """The decisions of one run, each made once. `outputs` grows as steps come to their ends."""

    def __init__(self, shelf: Shelf, outputs: Mapping[str, Sequence[ValueRef]]) -> None:
        self._shelf = shelf
        self._outputs = outputs
        self._skipped: set[str] = set()
        self._known: dict[tuple[str, int], bool] = {}

    def skip(self, node: Node) -> None:
        """The node does not run, and so does nothing that takes from it."""
        self._skipped.add(node.name)

    def skips(self, node: Node) -> bool:
        """Whether the node is not to run: a condition does not hold, or what it takes was skipped.

        Raises:
            PipelineError: a condition is no bool.
        """
        if node.guards and not self._hold(node.guards):
            return True
        if not self._skipped or node.kind == "when":
            return False
        return any(before.name in self._skipped for before in node.depends())

    def chosen(self, node: Node) -> Unfolded:
        """What a choice stands for: the last of its candidates whose guards hold, None where there is none."""
        value: Any = None
        for label, candidate in node.arguments.items():
            if self._hold(node.choices[label]):
                value = candidate
        return Unfolded([], lambda _: value)

    def items(self, node: Node) -> Unfolded:
        """The nodes for the items of a list that a step gave.

        Raises:
            PipelineError: what it gave is no list, or empty where something has to come out.
        """
        given = over(node)
        if isinstance(given, Promise):
            ref = self._ref(given)
            given = values.decode(ref, self._shelf)
            if not isinstance(given, list | tuple):
                raise PipelineError(
                    f"'{node.name}' cannot go over what '{node_of(over(node)).name}' gave",
                    cause=f"it gave {type(given).__name__}",
                    cure="return a list from that step",
                )
            node.after = list(dict.fromkeys([*node.after, node_of(over(node))]))
        return unfolded(node, numbered(given))

    def _hold(self, guards: Sequence[Guard]) -> bool:
        return all(self._truth(guard) is guard.wanted for guard in guards)

    def _truth(self, guard: Guard) -> bool | None:
        """What the condition says; None where it was not computed, because it was skipped itself."""
        condition = guard.condition
        if not isinstance(condition, Promise):
            return bool(condition)
        node, place = node_of(condition), index_of(condition)
        if node.name in self._skipped:
            return None
        if (node.name, place) not in self._known:
            self._known[node.name, place] = self._said(condition)
        return self._known[node.name, place]

    def _said(self, condition: Promise) -> bool:
        ref = self._ref(condition)
        value = values.decode(ref, self._shelf) if ref.codec == "plain" else None
        if not isinstance(value, bool):
            kind = type(value).__name__ if ref.codec == "plain" else f"a value of the kind '{ref.codec}'"
            raise PipelineError(
                f"'{node_of(condition).name}' decides what runs, but gave no bool",
                cause=f"it gave {kind}",
                cure="have it return bool(…)",
            )
        return value

    def _ref(self, promise: Promise) -> ValueRef:
        return self._outputs[node_of(promise).name][index_of(promise)]
