"""Committing what a program made: rows, or a tree in the store. The content of the head again gives the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mulle.data import collecting, drafts, hooks, manifest, refs, versions
from mulle.data.definition import Dataset
from mulle.data.publishing import Publisher, Request

if TYPE_CHECKING:
    import polars as pl

    from mulle.catalog import Catalog, Tx
    from mulle.data.model import Version
    from mulle.store import ObjectStore
    from mulle.types import Digest


def give(
    catalog: Catalog,
    store: ObjectStore,
    dataset: str | Dataset,
    content: pl.DataFrame | Digest,
    *,
    message: str,
    facts: Mapping[str, Any],
    along: Callable[[Tx, Version], None],
) -> tuple[Version, bool]:
    """The version with the content, and whether it is new.

    Args:
        catalog: where datasets are.
        store: where their objects are.
        dataset: its name, or its definition with key, event time, schema and checks.
        content: all rows of the version, or the digest of its tree.
        message: what the version is.
        facts: what its event says besides.
        along: what happens in the same transaction.

    Raises:
        DataError: the dataset does not take it.
    """
    definition = dataset if isinstance(dataset, Dataset) else None
    name = dataset if isinstance(dataset, str) else dataset.name
    refs.require_dataset(name)
    with catalog.read() as tx:
        key, event_time = versions.described(tx, name)
        before = versions.find_head(tx, name)
    if definition is not None:
        key, event_time = list(definition.key) or key, definition.event_time or event_time
    request = Request(name, key, event_time, message=message, facts=facts, along=along)
    change = hooks.Change(action="commit", dataset=name, branch=request.branch, message=message)
    publisher = Publisher(catalog, store)
    if isinstance(content, str):
        tree = manifest.of_tree(store, content)
        hooks.require(definition, lambda: hooks.files_table(store, tree), change)
        version = publisher.commit_files(request, tree)
    else:
        expect = definition.expect if definition is not None else None
        table = drafts.normal(content, name, key=key, event_time=event_time, expect=expect)
        if definition is not None:
            collecting.inspect(definition, table, None)
        hooks.require(definition, lambda: table, change)
        version = publisher.commit(request, table, append=False)
    return version, before is None or before.number != version.number
