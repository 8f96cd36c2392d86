"""What every verb of the data plane stands on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data.committing import Committer
from mulle.data.definition import Dataset
from mulle.data.publishing import Publisher
from mulle.data.remotes.service import Remotes
from mulle.data.sources.polling import Asked
from mulle.data.working.desk import Desk
from mulle.data.working.pointed import PointedCopies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mulle.catalog import Catalog
    from mulle.data.affected import Live
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
        remotes: Remotes | None = None,
    ) -> None:
        """Wire the service.

        Args:
            catalog: holds versions, branches and tags.
            store: holds their objects.
            root: where relative paths of sources are looked for; the current folder by default.
            definitions: the project's datasets by name, when they are needed.
            live: the deployments that answer now, each with its revisions.
            remotes: where datasets are pushed to and pulled from; by address only by default.
        """
        self._catalog = catalog
        self._store = store
        self._root = root
        self._definitions = definitions
        self._live = live
        self._publisher = Publisher(catalog, store)
        self._asked = Asked()
        self.remotes = remotes or Remotes(catalog, store, root=root)
        self._desk = Desk(catalog, store)
        self._committer = Committer(self._publisher, root, definitions, self._desk)
        self.pointed = PointedCopies(self._desk, self._committer)
