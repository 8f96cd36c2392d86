"""Why and impact: the stored graph, completed with what is recomputed on the way.

Stored edges go from a deployment's revision up to dataset versions. Three things are never stored, because they
would be as many as predictions or parts: which revision gave a prediction (its log record says), which objects a
dataset version consists of (its manifest says), and which deployments are live now (their traffic says).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mulle.catalog.database import Catalog
from mulle.catalog.lineage import Graph, Node, walk
from mulle.catalog.tx import Tx
from mulle.errors import UsageError
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.catalog.lineage import Direction, Expand

Neighbours = Iterable[tuple[Node, str]]

KINDS = {
    "prediction": "prediction:ID",
    "deployment": "deployment:NAME",
    "revision": "revision:DEPLOYMENT/N",
    "model": "model:NAME@VERSION (or an alias, as model:NAME@champion)",
    "run": "run:ID",
    "step_run": "step_run:ID",
    "dataset": "dataset:NAME@VERSION",
    "object": "object:b3:DIGEST",
}


class LineageService:
    """From one answer back to the raw rows, and from a dataset version forward to the endpoints that it taught."""

    plane = "lineage"

    def __init__(
        self,
        catalog: Catalog,
        *,
        canonical: Callable[[str, str], str],
        prediction: Callable[[str], tuple[Node, str]],
        contents: Callable[[str], Sequence[str]],
        holders: Callable[[str], Sequence[Node]],
        live: Callable[[], Sequence[tuple[str, str]]],
    ) -> None:
        """Wire the service.

        Args:
            catalog: holds the stored graph.
            canonical: a subject's kind and name (as "model", "delay@champion") to its node's name.
            prediction: a prediction's id to the node of its revision and the digest of its record.
            contents: a dataset version's node name to the digests of its objects.
            holders: an object's digest to the dataset versions that contain it.
            live: the names of deployments and of the revisions that have traffic now.
        """
        self._catalog = catalog
        self._canonical = canonical
        self._prediction = prediction
        self._contents = contents
        self._holders = holders
        self._live = live

    @verb("read")
    def why(self, subject: str) -> Graph:
        """Everything that `subject` came from, down to the objects that hold the raw rows.

        Raises:
            UsageError: the subject is not of the form KIND:NAME.
            UnknownNameError: there is no such subject.
        """
        return self._walk(subject, "up")

    @verb("read")
    def impact(self, subject: str) -> Graph:
        """Everything that came from `subject`, up to the deployments that serve it now.

        Raises:
            UsageError: the subject is not of the form KIND:NAME.
            UnknownNameError: there is no such subject.
        """
        return self._walk(subject, "down")

    def _walk(self, subject: str, direction: Direction) -> Graph:
        kind, _, name = subject.partition(":")
        if kind not in KINDS or not name:
            raise UsageError(
                f"'{subject}' is not a subject",
                cause="a subject is KIND:NAME",
                cure="write one of: " + ", ".join(KINDS.values()),
            )
        found = self._canonical(kind, name)
        start: str | Node = found
        if kind == "prediction":
            revision, digest = self._prediction(name)
            start = Node("prediction", subject, digest)
            up: dict[str, Expand] = {"prediction": lambda _tx, _node: [(revision, "answered_by")]}
        else:
            up = {}
        if kind == "object":  # raw rows are where every explanation ends: they came from nothing that is known here
            start = Node("object", found, found.partition(":")[2])
        up |= {"dataset_version": self._objects, "deployment": self._serving}
        down: dict[str, Expand] = {"object": self._containing, "revision": self._served_by}
        with self._catalog.read() as tx:
            return walk(tx, start, direction, up if direction == "up" else down)

    def _objects(self, _tx: Tx, node: Node) -> Neighbours:
        return [(Node("object", f"object:{digest}", digest), "contains") for digest in self._contents(node.name)]

    def _containing(self, _tx: Tx, node: Node) -> Neighbours:
        return [(version, "contains") for version in self._holders(node.digest or node.name.partition(":")[2])]

    def _serving(self, _tx: Tx, node: Node) -> Neighbours:
        return [(Node("revision", there), "serves") for name, there in self._live() if name == node.name]

    def _served_by(self, _tx: Tx, node: Node) -> Neighbours:
        return [(Node("deployment", name), "serves") for name, there in self._live() if there == node.name]
