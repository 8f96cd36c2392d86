"""What is wanted of another tool's repository; and taking its contents into the store, each once, by their alias."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data.doors import aliases
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.doors.aliases import Alias
    from mulle.store import ObjectStore

LARGE = 8 << 20
"""A local file longer than this is not read into memory."""


@dataclass(frozen=True)
class Wanted:
    """What is to be imported: which revisions, which output, under which name, and whether gaps are let pass."""

    rev: str = ""
    all_revs: bool = False
    output: str = ""
    name: str = ""
    skip_missing: bool = False


class Keeper:
    """Keeps contents by alias. What was kept before, in this import or another, is not read again."""

    def __init__(self, catalog: Catalog, store: ObjectStore) -> None:
        self._catalog = catalog
        self.store = store
        self._known: dict[Alias, tuple[Digest, int]] = {}
        self._asked: set[Alias] = set()
        self._new: dict[Alias, Digest] = {}

    def ask(self, wanted: Iterable[Alias]) -> None:
        """Learn which of many are here, in a few queries."""
        by_algorithm: dict[str, set[str]] = {}
        for alias in set(wanted) - self._asked:
            by_algorithm.setdefault(alias[0], set()).add(alias[1])
            self._asked.add(alias)
        with self._catalog.read() as tx:
            for algorithm, names in by_algorithm.items():
                for name, digest in aliases.known(tx, algorithm, names).items():
                    if self.store.has(digest):
                        self._known[algorithm, name] = digest, self.store.size(digest)

    def find(self, alias: Alias) -> tuple[Digest, int] | None:
        """The digest and length of a content that is here."""
        return self._known.get(alias)

    def keep(self, alias: Alias, content: Path | bytes) -> tuple[Digest, int]:
        """Keep a file's content, or bytes, under an alias; its digest and length."""
        if isinstance(content, Path):
            self.learn(alias, self.store.put_file(content), content.stat().st_size)
        else:
            self.learn(alias, self.store.put(content), len(content))
        return self._known[alias]

    def learn(self, alias: Alias, digest: Digest, size: int) -> None:
        """Take note of what an alias stands for."""
        self._known[alias] = digest, size
        self._new[alias] = digest

    def flush(self) -> None:
        """Make what was kept safe, then remember its aliases."""
        self.store.flush()
        if self._new:
            with self._catalog.write() as tx:
                aliases.keep(tx, self._new)
            self._new.clear()
