"""Adding to a working copy, and asking about one that is known to come from a version: neither needs the catalog.

The copy's index says all that is needed. Opening catalog and planes costs more than looking at ten thousand files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mulle.data.working.copies import FOLDER, Copies
from mulle.data.working.index import path_for
from mulle.store import LocalStore


@contextmanager
def staging(workspace: Path) -> Iterator[Copies]:
    """The working copies of a workspace, to add to. That a dataset takes files at all is checked by its commit."""
    with LocalStore(workspace) as store:
        yield Copies(store, workspace / FOLDER)


@contextmanager
def known(workspace: Path, dataset: str, path: Path) -> Iterator[Copies | None]:
    """The working copies of a workspace, where that at `path` is known to come from a dataset of files; else None."""
    if not path_for(workspace / FOLDER, path).exists():
        yield None
        return
    with LocalStore(workspace) as store:
        copies = Copies(store, workspace / FOLDER)
        with copies.index(path) as index:
            is_known = index.tree is not None and index.origin(dataset) is not None
        yield copies if is_known else None
