"""What of a graph may go on: told what is over, it says which nodes have all that they wait for. Pure, and linear."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import TypeAlias

Place: TypeAlias = tuple[int, str]


class Frontier:
    """The nodes of a run by name, each with those that it waits for; each is handed out once, when none is left.

    Among nodes that are ready, those of the lower place come first. What comes to an end costs as much as there are
    nodes that wait for it, however large the graph is.
    """

    def __init__(self) -> None:
        self._open: dict[str, set[str]] = {}
        self._after: dict[str, list[str]] = {}
        self._places: dict[str, Place] = {}
        self._over: set[str] = set()
        self._ready: list[tuple[Place, str]] = []

    def add(self, name: str, place: Place, before: Iterable[str]) -> None:
        """A node that waits for those in `before`; some of them may be over already."""
        self._places[name] = place
        self._open[name] = set()
        self.wait(name, before)

    def wait(self, name: str, before: Iterable[str]) -> None:
        """Have a node that was not handed out yet wait for these too."""
        missing = self._open[name]
        for each in before:
            if each not in self._over and each not in missing:
                missing.add(each)
                self._after.setdefault(each, []).append(name)
        if not missing:
            heapq.heappush(self._ready, (self._places[name], name))

    def after(self, name: str) -> list[str]:
        """The nodes that wait for this one."""
        return list(self._after.get(name, ()))

    def over(self, name: str) -> None:
        """The node is over: those that waited for nothing else are ready."""
        self._over.add(name)
        for each in self._after.pop(name, ()):
            missing = self._open[each]
            missing.discard(name)
            if not missing:
                heapq.heappush(self._ready, (self._places[each], each))

    def take(self) -> str | None:
        """The first node that is ready, once; None while there is none."""
        if not self._ready:
            return None
        name = heapq.heappop(self._ready)[1]
        del self._open[name]
        return name

    def __bool__(self) -> bool:
        """Whether a node is ready."""
        return bool(self._ready)
