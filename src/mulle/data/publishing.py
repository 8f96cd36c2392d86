"""Making a version of rows: draft it, make its objects durable, add it in one transaction; again if the head has moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mulle.data import drafts, manifest, versions
from mulle.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from mulle.catalog import Catalog, Tx
    from mulle.data.definition import Dataset
    from mulle.data.manifest import FilesManifest, Manifest
    from mulle.data.model import Version
    from mulle.store import ObjectStore
    from mulle.types import Digest


@dataclass(frozen=True)
class Shape:
    """What a commit knows of its dataset: name, key, event time, and the message and watermark of the version."""

    name: str
    key: Sequence[str]
    event_time: str | None
    message: str = ""
    watermark: datetime | None = None


@dataclass(frozen=True)
class Publisher:
    """Writes versions. Any number of processes may publish to one dataset; each version is added once, none is lost."""

    catalog: Catalog
    store: ObjectStore

    def commit(
        self, shape: Shape, table: pl.DataFrame, *, append: bool, facts: dict[str, Any] | None = None, **cursor: Any
    ) -> tuple[Version | None, bool]:
        """Add the rows, after those of the head with `append`, instead of them without.

        The same content as the head's makes no version. With `since` and `until` (or `fingerprint`) the source's cursor moves
        in the same transaction; (None, False) says that another process has moved it.
        """
        while True:
            head = self._head(shape.name)
            _refuse_emptying(shape.name, table, head, append=append)
            base = self._base(head) if append else None
            made = drafts.draft(self.store, table, shape.name, key=shape.key, event_time=shape.event_time, base=base)
            watermark = _watermark(shape, table, head if append else None)
            done = self._publish(shape, made, made.logical, head, watermark, facts or {}, cursor)
            if done is not None:
                return done

    def commit_files(self, shape: Shape, tree: FilesManifest, logical: str) -> Version:
        """Add a tree of files; the same content as the head's makes no version."""
        while True:
            done = self._publish(shape, tree, logical, self._head(shape.name), shape.watermark, {}, {})
            if done is not None:
                assert done[0] is not None
                return done[0]

    def append(
        self, definition: Dataset, table: pl.DataFrame, *, message: str, watermark: datetime, **rest: Any
    ) -> tuple[Version | None, bool]:
        """Append a window's rows and move the cursor from `since` to `watermark`."""
        facts, since = rest["facts"], rest["since"]
        shape = Shape(definition.name, definition.key, definition.event_time, message, watermark)
        rows = drafts.normal(table, shape.name, key=shape.key, event_time=shape.event_time, expect=definition.expect)
        return self.commit(shape, rows, append=True, facts=facts, since=since, until=watermark)

    def replace(
        self, definition: Dataset, table: pl.DataFrame, *, message: str, fingerprint: str, facts: dict[str, Any]
    ) -> Version:
        """Replace the rows by those of the source's files, and remember the files' fingerprint."""
        shape = Shape(definition.name, definition.key, definition.event_time, message)
        rows = drafts.normal(table, shape.name, key=shape.key, event_time=shape.event_time, expect=definition.expect)
        version, _ = self.commit(shape, rows, append=False, facts=facts, fingerprint=fingerprint)
        assert version is not None
        return version

    def skip(self, name: str, since: datetime | None, until: datetime) -> bool:
        """Move the cursor past windows without rows; False when another process has moved it."""
        with self.catalog.write() as tx:
            if not _cursor_is(tx, name, since):
                return False
            event = tx.event(f"dataset:{name}", {"collected": until.isoformat(), "rows": 0})
            versions.move_cursor(tx, name, until, "", event)
            return True

    def _head(self, name: str) -> Version | None:
        with self.catalog.read() as tx:
            return versions.find_head(tx, name)

    def _base(self, head: Version | None) -> Manifest | None:
        return None if head is None else manifest.load_table(self.store, head.digest)  # type: ignore[arg-type]

    def _publish(
        self,
        shape: Shape,
        made: Manifest | FilesManifest,
        logical: str,
        head: Version | None,
        watermark: datetime | None,
        facts: dict[str, Any],
        cursor: dict[str, Any],
    ) -> tuple[Version | None, bool] | None:
        """The outcome, or None when the head has moved since it was read and all has to be done again."""
        same = head is not None and head.logical == logical
        digest: Digest = head.digest if same and head is not None else self.store.put(manifest.encode(made))  # type: ignore[assignment]
        if same and not cursor:
            return head, True
        self.store.flush()
        with self.catalog.write() as tx:
            if "since" in cursor and not _cursor_is(tx, shape.name, cursor["since"]):
                return None, False
            now = versions.find_head(tx, shape.name)
            if (now.number if now is not None else None) != (head.number if head is not None else None):
                return None
            if same and head is not None:
                version, event = head, head.event
            else:
                version = versions.publish(
                    tx,
                    shape.name,
                    made,
                    digest,
                    logical=logical,
                    parent=head,
                    message=shape.message,
                    watermark=watermark,
                    facts=facts,
                )
                event = version.event
            if cursor:
                versions.move_cursor(tx, shape.name, cursor.get("until"), cursor.get("fingerprint", ""), event)
            return version, True


def _cursor_is(tx: Tx, name: str, since: datetime | None) -> bool:
    """Whether the next window still begins at `since`."""
    until, _ = versions.cursor(tx, name)
    if until is None:
        head = versions.find_head(tx, name)
        until = head.watermark if head is not None else None
    return until == since


def _refuse_emptying(name: str, table: pl.DataFrame, head: Version | None, *, append: bool) -> None:
    if not append and not table.height and head is not None and head.rows:
        raise DataError(
            f"nothing to commit to dataset '{name}'",
            cause=f"the table has no rows, and {head.ref} has {head.rows}",
            cure="look at where the rows come from; to leave the dataset empty, commit to a new name",
        )


def _watermark(shape: Shape, table: pl.DataFrame, base: Version | None) -> datetime | None:
    """What was given, or the newest event time; an append never takes it back."""
    found: datetime | None = shape.watermark
    if found is None and shape.event_time is not None:
        found = table[shape.event_time].max()  # type: ignore[assignment]
    before = base.watermark if base is not None else None
    return max(found, before) if found is not None and before is not None else found or before
