"""From what people write as a subject to the nodes of the lineage graph, and the edges that no table holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from mulle.catalog.lineage import Node
from mulle.errors import UnknownNameError, UsageError
from mulle.hashing import digest_value
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.data.service import DataService
    from mulle.predictions import Predictions
    from mulle.registry import Registry
    from mulle.serving.service import Deployments
    from mulle.store import ObjectStore

_ENOUGH = 7
"""Characters of a digest that are worth looking for: its prefix and four digits."""


class Resolving:
    """Answers the lineage service's questions from the planes that know."""

    def __init__(
        self,
        store: ObjectStore,
        data: DataService,
        models: Registry,
        predictions: Predictions,
        deployments: Deployments,
    ) -> None:
        self._store = store
        self._data = data
        self._models = models
        self._predictions = predictions
        self._deployments = deployments

    def canonical(self, kind: str, name: str) -> str:
        """A subject's node name: aliases, tags and `HEAD` become numbers, the first digits of a digest all of it.

        Raises:
            UnknownNameError: there is no such dataset, model, deployment or object.
            UsageError: a revision is not written as DEPLOYMENT/N.
        """
        if kind == "dataset":
            return f"dataset:{self._data.resolve(name).ref}"
        if kind == "model":
            return f"model:{self._models.show(name).ref}"
        if kind == "deployment":
            return f"deployment:{self._deployments.show(name).name}"
        if kind == "revision":
            deployment, _, number = name.partition("/")
            if not number.isdigit():
                raise UsageError(
                    f"'{name}' is not a revision", cause="a revision is DEPLOYMENT/N", cure=f"write {deployment}/1"
                )
            return f"revision:{self._deployments.show(deployment).name}/{int(number)}"
        return f"object:{self._object(name)}" if kind == "object" else f"{kind}:{name}"

    def _object(self, name: str) -> str:
        whole = re.fullmatch(r"b3:[0-9a-f]{64}", name)
        if whole and self._store.has(Digest(name)):
            return name
        alike = [digest for digest in self._store.digests() if len(name) >= _ENOUGH and digest.startswith(name)]
        if len(alike) != 1:
            why = f"{len(alike)} objects begin so" if alike else "no object of the workspace has this digest"
            raise UnknownNameError(f"'{name}' is no object", cause=why, cure="mulle data show DATASET --json")
        return alike[0]

    def prediction(self, identity: str) -> tuple[Node, str]:
        """The revision that gave an answer, and the digest of the answer's record."""
        found = self._predictions.record(identity)
        record = msgspec.to_builtins(found)
        bundle = self._models.show(found.model).bundle
        return Node("revision", f"revision:{found.deployment}/{found.revision}", bundle), digest_value(record)

    def contents(self, version: str) -> Sequence[str]:
        """The digests of a dataset version's objects: its parts or files."""
        return [part.digest for part in self._data.show(version.removeprefix("dataset:")).parts]

    def holders(self, digest: str) -> Sequence[Node]:
        """The dataset versions that an object is part of."""
        return [
            Node("dataset_version", f"dataset:{version.ref}", version.digest) for version in self._data.holding(digest)
        ]

    def live(self) -> Sequence[tuple[str, str]]:
        """Deployments that answer now, each with the revisions that have a share of its traffic."""
        return live(self._deployments)


def live(deployments: Deployments) -> Sequence[tuple[str, str]]:
    """Deployments that answer now, each with the revisions that have a share of its traffic, by their node names."""
    return [
        (f"deployment:{one.name}", f"revision:{one.name}/{number}")
        for one in deployments.list()
        if one.active
        for number, weight in one.traffic.weights.items()
        if weight > 0
    ]
