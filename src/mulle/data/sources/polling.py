"""Asking a source what is new until it has nothing more, each batch exactly once whatever is killed when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.data.manifest import FilesManifest, load_table, of_tree
from mulle.data.publishing import OvertakenError
from mulle.data.sources import cursors, shaping
from mulle.data.sources.cursors import Standing
from mulle.data.sources.landing import Check, Landed, Landing
from mulle.data.sources.lines import STDIN
from mulle.data.sources.port import Batch, Place, Polled, Position
from mulle.data.working.desk import Desk
from mulle.errors import DataError
from mulle.hashing.tree import shown
from mulle.store.leases import leased
from mulle.store.tree import Trees
from mulle.types import Digest

if TYPE_CHECKING:
    import polars as pl

    from mulle.data.definition import Dataset
    from mulle.data.model import Version
    from mulle.data.publishing import Publisher


@dataclass(frozen=True)
class Polling:
    """Collects one dataset from its source.

    Args:
        publisher: where versions are made.
        definition: the dataset, with a source that is asked.
        root: where relative paths begin.
        check: called with new rows; raises when they must not be committed.
    """

    publisher: Publisher
    definition: Dataset
    root: Path
    check: Check | None = None

    def collect(self, *, anew: bool = False) -> list[Version]:
        """Everything that is new; the versions made, the oldest first.

        Args:
            anew: forget where the source stood, and take all it has instead of what the dataset holds.
        """
        return [landed.version for landed in self.landings(anew=anew) if landed.version is not None]

    def landings(self, *, anew: bool = False) -> Iterator[Landed]:
        """The same, step by step, those without a version too."""
        first = clears = anew
        while True:
            position = self._position(anew=clears)
            try:
                with self._leased(), closing(self._batches(position)) as batches:
                    for batch in batches:
                        how = "replace" if first and batch.rows is not None else batch.how
                        landed = self._land(replace(batch, how=how, clears=batch.clears or clears), position)
                        first, clears = first and not landed.rows, False
                        position = _moved(position, batch, landed)
                        yield landed
                if not position.live:
                    self._go_live(position)
            except OvertakenError:
                continue  # another process was faster: begin again from where it stands
            return

    def _batches(self, position: Position) -> Any:
        assert isinstance(self.definition.source, Polled)
        return self.definition.source.batches(position, self.place())

    def _leased(self) -> AbstractContextManager[None]:
        """What a source puts into the store before its batch is taken in stays until then; lines put nothing."""
        source = self.definition.source
        assert isinstance(source, Polled)
        return nullcontext() if source.kind == "lines" else leased(self.publisher.store)

    def _land(self, batch: Batch, position: Position) -> Landed:
        landing = Landing(self.publisher, self.definition, self.check)
        return landing.land(batch, position, self._standing(_after(position, batch)))

    def _standing(self, position: Position) -> Standing:
        source = self.definition.source
        assert isinstance(source, Polled)
        return Standing(source.kind, source.identity, source.address, source.cursor(position))

    def _position(self, *, anew: bool) -> Position:
        source, name = self.definition.source, self.definition.name
        assert isinstance(source, Polled)
        with self.publisher.catalog.read() as tx:
            row, position = cursors.find(tx, name), cursors.position(tx, name)
        if row is None or anew:
            gone = dict.fromkeys(position.marks)
            return Position(event=position.event, marks={}, gone=tuple(gone))
        if row.identity != source.identity:
            raise DataError(
                f"dataset '{name}' was collected from another source",
                cause=f"it stands at '{row.cursor}' of {row.address}, which means nothing to {source.address}",
                cure=f"mulle data collect {name} --anew, which takes all rows of the new source instead",
            )
        return position

    def _go_live(self, position: Position) -> None:
        """The source was read to its end for the first time: what comes from now on is new."""
        name, live = self.definition.name, replace(position, live=True)
        with self.publisher.catalog.write() as tx:
            if cursors.event_of(tx, name) != position.event:
                raise OvertakenError
            standing = self._standing(live)
            event = tx.event(f"dataset:{name}", {"live": True, "source": standing.address}, verb="data.collect")
            cursors.move(tx, name, standing, state=live.state, marks={}, event=event, live=True)

    def place(self) -> Place:
        """What the source may use, and what the dataset's rows have to be."""
        definition = self.definition
        head = self.publisher.find_head(definition.name)
        before: dict[str, pl.DataType] = {}
        columns: list[str] | None = None
        if head is not None and head.kind == "table":
            schema = load_table(self.publisher.store, head.digest).schema
            before = {name: dtype for name, kind in schema if (dtype := shaping.type_named(kind)) is not None}
            columns = [name for name, _ in schema if name != definition.arrives]
        needed = set(definition.key) | ({definition.event_time} if definition.event_time else set())
        if definition.expect is not None:
            needed |= {name for name, spec in definition.expect.columns().items() if not spec.nullable}
        scratch = self.publisher.catalog.path.parent / "tmp" / "sources" / definition.name
        types = shaping.wanted(definition, before)
        types.pop(definition.arrives or "", None)
        clock, folders = self.publisher.catalog.clock, _Folders(self.publisher, definition.name)
        return Place(self.root, scratch, clock, types, columns, frozenset(needed), folders)


@dataclass(frozen=True)
class _Folders:
    """The store's trees, by the working-copy index."""

    publisher: Publisher
    name: str

    def stage(self, folder: Path) -> FilesManifest:
        store = self.publisher.store
        return of_tree(store, Desk(self.publisher.catalog, store).stage(self.name, folder))

    def changes(self, before: str, after: FilesManifest) -> Iterator[tuple[str, str]]:
        trees = Trees(self.publisher.store)
        for change in trees.diff(trees.root(Digest(f"b3:{before}")), trees.root(after.tree)):
            word = "added" if change.before is None else "removed" if change.after is None else "changed"
            yield shown(change.path), word


def _after(position: Position, batch: Batch) -> Position:
    marks = {**position.marks, **batch.marks}
    return replace(position, state=batch.state, marks={name: mark for name, mark in marks.items() if mark is not None})


def _moved(position: Position, batch: Batch, landed: Landed) -> Position:
    return replace(_after(position, batch), event=landed.event, gone=())


def follow(
    polling: Polling, until: datetime | None, stopped: Callable[[float], bool] | None = None
) -> Iterator[Landed]:
    """Collect, wait, and collect again, until an instant or until `stopped(seconds)`, which waits, says so."""
    clock = polling.publisher.catalog.clock
    source = polling.definition.source
    assert isinstance(source, Polled)
    while True:
        yield from polling.landings()
        pause = source.every.total_seconds()
        if until is not None:
            pause = min(pause, (until - clock.now()).total_seconds())
        if pause < 0 or (until is not None and clock.now() >= until):
            return
        if stopped is not None:
            if stopped(pause):
                return
        else:
            clock.sleep(pause)


class Asked:
    """When sources were last asked, in this process: the wheel turns more often than it needs to ask."""

    def __init__(self) -> None:
        self._asked: dict[str, datetime] = {}

    def due(self, definition: Dataset, now: datetime) -> bool:
        """Whether it is time to ask again; it counts as asked then. Standard input is nobody's but the prompt's."""
        if getattr(definition.source, "path", "") == STDIN:
            return False
        every = definition.source.every if isinstance(definition.source, Polled) else timedelta(0)
        before = self._asked.get(definition.name)
        if before is not None and before <= now < before + every:
            return False
        self._asked[definition.name] = now
        return True

    def again(self, definition: Dataset) -> None:
        """It is time to ask the source again at once."""
        self._asked.pop(definition.name, None)
