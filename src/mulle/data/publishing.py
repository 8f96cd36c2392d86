"""Making a version of rows: draft it, make its objects durable, add it in one transaction; anew if the head moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mulle.data import drafts, versions
from mulle.data.incoming import Incoming, Newest
from mulle.data.manifest import FilesManifest, encode, load, load_table
from mulle.data.refs import MAIN
from mulle.errors import DataError
from mulle.store.leases import leasing

if TYPE_CHECKING:
    import polars as pl

    from mulle.catalog import Catalog, Tx
    from mulle.data.manifest import Manifest
    from mulle.data.model import Version
    from mulle.store import ObjectStore


@dataclass(frozen=True)
class Move:
    """Where a source's cursor goes; `compare` refuses it when the cursor no longer stands at `since`."""

    since: datetime | None = None
    until: datetime | None = None
    fingerprint: str = ""
    compare: bool = False


@dataclass(frozen=True)
class Request:
    """What is to be committed besides the rows, and to which branch.

    `facts` go into the event; `move` happens in the same transaction, and so does what `along` does with the version.
    """

    name: str
    key: Sequence[str] = ()
    event_time: str | None = None
    message: str = ""
    watermark: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    move: Move | None = None
    branch: str = MAIN
    along: Callable[[Tx, Version], None] | None = None


class OvertakenError(Exception):
    """Another process has moved the source's cursor: what was to be committed is already there."""


@dataclass(frozen=True)
class Publisher:
    """Writes versions. Any number of processes may publish to one dataset: each version is added once, none is lost."""

    catalog: Catalog
    store: ObjectStore

    @leasing(lambda self, *_, **__: self.store)
    def commit(self, request: Request, rows: pl.DataFrame | Incoming, *, append: bool) -> Version:
        """Add the rows, after those of the head with `append`, instead of them without.

        The same content as the head's makes no version, and what the head has of the rows is not stored again.

        Raises:
            OvertakenError: the source's cursor no longer stands where the request says.
        """
        while True:
            head = self._head(request)
            _refuse_other_kind(request.name, "table", head)
            held = None if head is None else load_table(self.store, head.digest)
            newest = Newest(request.event_time)
            made = drafts.draft(
                self.store,
                newest.watch(rows),
                request.name,
                key=request.key,
                event_time=request.event_time,
                base=held if append else None,
                head=None if append else held,
            )
            _refuse_emptying(request.name, made, head, append=append)
            watermark = _watermark(request, newest.at, head if append else None)
            done = self._publish(request, made, head, watermark)
            if done is not None:
                return done
            if isinstance(rows, Incoming):  # they have passed; what was made of them is in the store
                rows = drafts.stored(self.store, made, after=held.rows if append and held is not None else 0)

    @leasing(lambda self, *_, **__: self.store)
    def commit_files(self, request: Request, tree: Manifest | FilesManifest) -> Version:
        """Add a tree of files, or a table whose parts are stored; the same content as the head's makes no version."""
        kind = "files" if isinstance(tree, FilesManifest) else "table"
        while True:
            head = self._head(request)
            _refuse_other_kind(request.name, kind, head)
            done = self._publish(request, tree, head, request.watermark)
            if done is not None:
                return done

    def skip(self, name: str, move: Move) -> bool:
        """Move the cursor past windows without rows; False when another process has moved it."""
        with self.catalog.write() as tx:
            if versions.stands_at(tx, name) != move.since:
                return False
            event = tx.event(f"dataset:{name}", {"collected": move.until, "rows": 0}, verb="data.collect")
            versions.move_cursor(tx, name, move.until, "", event)
            return True

    def find_head(self, name: str, branch: str = MAIN) -> Version | None:
        """The newest version of a branch; None where nothing was ever committed to it."""
        with self.catalog.read() as tx:
            return versions.find_head(tx, name, branch)

    def _head(self, request: Request) -> Version | None:
        """The head to commit after; None where this is the first version.

        Raises:
            UnknownNameError: the branch is neither there nor main.
        """
        with self.catalog.read() as tx:
            return (
                versions.find_head(tx, request.name)
                if request.branch == MAIN
                else versions.head(tx, request.name, request.branch)
            )

    def _publish(
        self, request: Request, made: Manifest | FilesManifest, head: Version | None, watermark: datetime | None
    ) -> Version | None:
        """The version, or None when the head has moved since it was read and all has to be done again."""
        same = head is not None and head.logical == made.logical and self._is_like(made, head)
        if same and request.move is None and request.along is None:
            return head
        digest = None if same else self.store.put(encode(made))
        self.store.flush()
        with self.catalog.write() as tx:
            _refuse_overtaken(tx, request)
            if _number(versions.find_head(tx, request.name, request.branch)) != _number(head):
                return None
            version = head
            if digest is not None:
                new = versions.New(
                    request.name, made, digest, head, request.message, watermark, request.facts, request.branch
                )
                version = versions.publish(tx, new)
            if request.move is not None and version is not None:
                versions.move_cursor(tx, request.name, request.move.until, request.move.fingerprint, version.event)
            if request.along is not None and version is not None:
                request.along(tx, version)
            return version

    def _is_like(self, made: Manifest | FilesManifest, head: Version) -> bool:
        """Whether equal rows also have the key and the event time of the head."""
        held = load(self.store, head.digest)
        if isinstance(made, FilesManifest) or isinstance(held, FilesManifest):
            return True
        return (made.key, made.event_time) == (held.key, held.event_time)


def _refuse_overtaken(tx: Tx, request: Request) -> None:
    move = request.move
    if move is not None and move.compare and versions.stands_at(tx, request.name) != move.since:
        raise OvertakenError


def _number(version: Version | None) -> int | None:
    return None if version is None else version.number


def _refuse_other_kind(name: str, kind: str, head: Version | None) -> None:
    if head is not None and head.kind != kind:
        raise DataError(
            f"dataset '{name}' cannot take {kind}",
            cause=f"{head.ref} is {head.kind}, and all versions of a dataset are of one kind",
            cure="commit to a new name",
        )


def _refuse_emptying(name: str, made: Manifest, head: Version | None, *, append: bool) -> None:
    if not append and not made.rows and head is not None and head.rows:
        raise DataError(
            f"nothing to commit to dataset '{name}'",
            cause=f"the table has no rows, and {head.ref} has {head.rows}",
            cure="look at where the rows come from; to begin an empty dataset, commit to a new name",
        )


def _watermark(request: Request, newest: datetime | None, base: Version | None) -> datetime | None:
    """What was given, or the newest event time; an append never takes it back."""
    found = newest if request.watermark is None else request.watermark
    before = base.watermark if base is not None else None
    return max(found, before) if found is not None and before is not None else found or before
