"""Whom a version matters to: the models that learned from it, the deployments that serve them. Read from lineage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from mulle.catalog import lineage

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.data.model import Version

Live: TypeAlias = Callable[[], Sequence[tuple[str, str]]]
"""The names of deployments that answer now, each with a revision that has a share of its traffic."""


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """Model versions, as `delay@3`, and deployments that answer now."""

    models: list[str]
    deployments: list[str]


def affected(tx: Tx, versions: Iterable[Version], live: Live) -> Affected:
    """The models that learned from any of the versions, at whatever remove, and the deployments that serve them."""
    models: set[str] = set()
    revisions: set[str] = set()
    for name in dict.fromkeys(f"dataset:{version.ref}" for version in versions):
        for node in lineage.walk(tx, lineage.Node("dataset_version", name), "down").nodes:
            if node.kind == "model_version":
                models.add(node.name.removeprefix("model:"))
            elif node.kind == "revision":
                revisions.add(node.name)
    serving = (
        {name.removeprefix("deployment:") for name, revision in live() if revision in revisions} if revisions else ()
    )
    return Affected(models=sorted(models), deployments=sorted(set(serving)))
