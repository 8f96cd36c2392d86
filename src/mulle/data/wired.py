"""What every verb of the data plane stands on; what only some need is imported and made when it is first used."""

# ruff: noqa: PLC0415 - start-up time: a run that finds its datasets needs neither working copies nor remotes

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data.definition import Dataset
from mulle.data.publishing import Publisher
from mulle.data.sources.polling import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mulle.catalog import Catalog
    from mulle.data.affected import Live
    from mulle.data.committing import Committer
    from mulle.data.remotes.service import Remotes
    from mulle.data.working.desk import Desk
    from mulle.data.working.pointed import PointedCopies
    from mulle.store import ObjectStore


class Wired:
    """The catalog, the store and what is made of both."""

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        root: Path | None = None,
        *,
        definitions: Callable[[], Mapping[str, Dataset]] = dict,
        live: Live = tuple,
        remotes: Callable[[], Remotes] | None = None,
    ) -> None:
        """Wire the service.

        Args:
            catalog: holds versions, branches and tags.
            store: holds their objects.
            root: where relative paths of sources are looked for; the current folder by default.
            definitions: the project's datasets by name, when they are needed.
            live: the deployments that answer now, each with its revisions.
            remotes: makes what knows where datasets are pushed to and pulled from; by address only by default.
        """
        self._catalog = catalog
        self._store = store
        self._root = root
        self._definitions = definitions
        self._live = live
        self._publisher = Publisher(catalog, store)
        self._asked = Asked()
        self._make_remotes = remotes

    @cached_property
    def remotes(self) -> Remotes:
        """Where datasets are pushed to and pulled from."""
        from mulle.data.remotes.service import Remotes

        if self._make_remotes is not None:
            return self._make_remotes()
        return Remotes(self._catalog, self._store, root=self._root)

    @cached_property
    def pointed(self) -> PointedCopies:
        """Working copies that git knows by pointer files."""
        from mulle.data.working.pointed import PointedCopies

        return PointedCopies(self._desk, self._committer)

    @cached_property
    def _desk(self) -> Desk:
        from mulle.data.working.desk import Desk

        return Desk(self._catalog, self._store)

    @cached_property
    def _committer(self) -> Committer:
        from mulle.data.committing import Committer

        return Committer(self._publisher, self._root, self._definitions, self._desk)
