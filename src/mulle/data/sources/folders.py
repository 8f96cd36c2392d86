"""A folder of files that are kept as files: pictures, documents, models. Only what is new in it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mulle.data.sources.port import Batch, Place, Position
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.data.sources.pieces import Changed


@dataclass(frozen=True)
class FolderSource:
    """See `files`, with `as_files`."""

    path: str
    changed: Changed
    removed: Changed
    every: timedelta

    kind = "files"

    @property
    def address(self) -> str:
        return self.path

    @property
    def identity(self) -> str:
        return f"folder {self.path}"

    def cursor(self, position: Position) -> str:
        return f"{position.state['files']:,} files" if "files" in position.state else ""

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        folder = place.root / self.path
        if not folder.is_dir():
            raise DataError(
                f"there is no folder {folder}", cause="the path does not exist", cure="check the path of the source"
            )
        assert place.folders is not None
        found = place.folders.stage(folder)
        before = position.state.get("tree")
        if not found.files or found.tree.removeprefix("b3:") == before:
            return
        changes = dict(place.folders.changes(before, found)) if before is not None else {}
        self._refuse(changes)
        new = found.files if before is None else sum(1 for each in changes.values() if each == "added")
        message = f"{new:,} new {'file' if new == 1 else 'files'} in {self.path}"
        yield Batch(tree=found, state={"tree": found.tree.removeprefix("b3:"), "files": found.files}, message=message)

    def _refuse(self, changes: dict[str, str]) -> None:
        for word, policy in (("changed", self.changed), ("removed", self.removed)):
            odd = sorted(path for path, each in changes.items() if each == word)
            if odd and policy == "error":
                raise DataError(
                    f"{odd[0]} in {self.path} was {word} since it was taken"
                    + (f", and {len(odd) - 1} more" if len(odd) > 1 else ""),
                    cause="the files of this source are only added",
                    cure=f'put it back, or declare {word}="replace"',
                )
