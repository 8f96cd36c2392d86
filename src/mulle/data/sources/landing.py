"""Taking a batch in: sort its rows out, then add version, quarantine and the source's stand in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from mulle.data import drafts, hooks, versions
from mulle.data.columns import with_event_time
from mulle.data.manifest import encode, load_table
from mulle.data.publishing import OvertakenError, Request
from mulle.data.sources import cursors, quarantine, repeats
from mulle.errors import DataError
from mulle.stats.checks import check_table, schema_skew
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.data.definition import Dataset
    from mulle.data.manifest import Manifest
    from mulle.data.model import Version
    from mulle.data.publishing import Publisher
    from mulle.data.sources.cursors import Standing
    from mulle.data.sources.port import Batch, Position
    from mulle.types import Digest

Check = Callable[["pl.DataFrame"], None]
"""A function of the new rows that raises when they must not be committed."""


@dataclass(frozen=True)
class Landed:
    """What became of a batch. `event` is that of the move."""

    version: Version | None
    event: str
    rows: int = 0
    held: int = 0


@dataclass(frozen=True)
class Landing:
    """Takes batches of one dataset in."""

    publisher: Publisher
    definition: Dataset
    check: Check | None = None

    @leasing(lambda self, *_: self.publisher.store)
    def land(self, batch: Batch, position: Position, standing: Standing) -> Landed:
        """Take a batch in, and let the source stand after it.

        Raises:
            OvertakenError: the source no longer stands at `position`: another process was faster.
            SchemaSkewError: a column is missing, or has another type in the whole batch.
            DataError: rows break the schema, and the dataset refuses them.
        """
        try:
            return self._land(batch, position, standing)
        except DataError:
            with self.publisher.catalog.read() as tx:
                overtaken = cursors.event_of(tx, self.definition.name) != position.event
            if overtaken:  # the rows are there already: that is what was wrong with them
                raise OvertakenError from None
            raise

    def _land(self, batch: Batch, position: Position, standing: Standing) -> Landed:
        name = self.definition.name
        head = self.publisher.find_head(name)
        arrived = self.publisher.catalog.clock.now()
        if batch.tree is not None:
            return self._tree(batch, position, standing, head)
        sorted_ = self._sorted(batch, head, arrived if position.live or batch.live else None)
        aside = self._aside(batch, sorted_, arrived, head)
        move = _Move(name, batch, position, standing, aside, sorted_.facts)
        if not sorted_.rows.height or sorted_.rows.width == 0:
            return self._alone(move)
        held = f", {sorted_.bad.height:,} held back" if sorted_.bad.height else ""
        request = Request(
            name,
            self.definition.key,
            self.definition.event_time,
            message=batch.message + held,
            facts={**sorted_.facts, **move.told()},
            along=move.happens if sorted_.after is None else _after(sorted_.after, move.happens),
        )
        change = hooks.Change(action="commit", dataset=name, branch=request.branch, message=request.message)
        hooks.require(self.definition, lambda: sorted_.rows, change)
        version = self.publisher.commit(request, sorted_.rows, append=sorted_.append)
        return Landed(_new(version, head), move.event, sorted_.taken, sorted_.bad.height)

    def _tree(self, batch: Batch, position: Position, standing: Standing, head: Version | None) -> Landed:
        move = _Move(self.definition.name, batch, position, standing, None, {})
        assert batch.tree is not None
        request = Request(self.definition.name, message=batch.message, along=move.happens)
        version = self.publisher.commit_files(request, batch.tree)
        return Landed(_new(version, head), move.event)

    def _alone(self, move: _Move) -> Landed:
        """Nothing to commit: only what is bad, and the move."""
        self.publisher.store.flush()
        with self.publisher.catalog.write() as tx:
            move.happens(tx, None)
        return Landed(None, move.event, 0, 0 if move.aside is None else move.aside.rows)

    def _sorted(self, batch: Batch, head: Version | None, arrived: datetime | None) -> _Sorted:
        """The rows to commit, and what is bad."""
        definition, bad = self.definition, quarantine.together([batch.bad])
        table = batch.rows if batch.rows is not None else pl.DataFrame()
        facts: dict[str, Any] = {}
        if table.height:
            facts = self._inspected(table)
            if definition.keeps == "quarantine":
                newest = batch.how == "update"
                table, wrong = quarantine.sorted_out(definition, table, batch.spans, newest=newest)
                bad = quarantine.together([bad, wrong])
                facts = {}
            elif definition.keeps == "refuse" and facts.get("violations"):
                raise _refused(definition, quarantine.sorted_out(definition, table, batch.spans)[1])
        if bad.height and definition.keeps != "quarantine":
            raise _refused(definition, bad)
        taken = table.height
        if not table.height:
            return _Sorted(table, bad, facts, append=True, taken=0)
        table = drafts.normal(
            table, definition.name, key=definition.key, event_time=definition.event_time, expect=definition.expect
        )
        table = _stamped(definition, table, arrived)
        if definition.event_time is not None and head is not None and head.watermark is not None:
            late = int((table[definition.event_time] < head.watermark).sum())
            facts |= {"late": late} if late else {}
        if batch.how == "replace" or head is None:
            if head is not None and definition.arrives is not None:
                table = repeats.with_arrival(self.publisher.store, head, table, definition.arrives)
            return _Sorted(table, bad, facts, append=head is None, taken=taken)
        return self._merged(batch, head, _Sorted(table, bad, facts, append=True, taken=taken))

    def _merged(self, batch: Batch, head: Version, given: _Sorted) -> _Sorted:
        """What is left of rows to append once those are dealt with whose key is there already."""
        definition = self.definition
        if not definition.key:
            return given
        found = repeats.find(self.publisher.store, head, given.rows, definition.key, definition.arrives)
        if found is None:
            return given
        table = given.rows.filter(~found.same)
        facts = {**given.facts, "repeated": int(found.same.sum())}
        changed = found.other.filter(~found.same)
        if not changed.any():
            return replace(given, rows=table, facts=facts)
        if batch.how == "update":
            merged = repeats.updated(self.publisher.store, head, table, definition.key)
            facts["updated"] = int(changed.sum())
            return replace(given, rows=merged, facts=facts, append=False, after=head.number)
        wrong = quarantine.told(table, changed, f"the key {', '.join(definition.key)} is there already", ())
        if definition.keeps != "quarantine":
            raise _refused(definition, wrong)
        return replace(
            given,
            rows=table.filter(~changed),
            facts=facts,
            bad=quarantine.together([given.bad, wrong]),
            taken=int((~changed).sum()),
        )

    def _inspected(self, table: pl.DataFrame) -> dict[str, Any]:
        """What the event should say of the rows' values.

        Raises:
            SchemaSkewError: a declared column is missing or has another type.
        """
        definition = self.definition
        if self.check is not None:
            self.check(table)
        if definition.expect is None:
            return {}
        if definition.event_time is not None and definition.event_time in table.columns:
            table = with_event_time(table, definition.event_time, f"dataset '{definition.name}'")
        violations = check_table(definition.expect, table)
        skew = schema_skew(violations, f"dataset '{definition.name}'")
        if skew is not None:
            raise skew
        return {"violations": [[each.column, each.rule, each.rows] for each in violations]} if violations else {}

    def _aside(self, batch: Batch, given: _Sorted, arrived: datetime, head: Version | None) -> _Aside | None:
        """The quarantine's next version, all but published."""
        name, new = self.definition.name, bool(given.rows.height)
        if not given.bad.height and not (batch.clears and self._holds_back()):
            return None
        with self.publisher.catalog.read() as tx:
            number = versions.last_number(tx, name) + 1
        ref = f"{name}@{number}" if new else (head.ref if head is not None else "")
        rows = quarantine.held(given.bad, arrived, ref)
        certain = new and batch.how != "replace"  # what replaces the same makes no version
        return aside(self.publisher, name, rows, append=not batch.clears, expected=number if certain else None)

    def _holds_back(self) -> bool:
        head = self.publisher.find_head(quarantine.name_of(self.definition.name))
        return head is not None and head.rows > 0


@dataclass(frozen=True)
class _Sorted:
    rows: pl.DataFrame
    bad: pl.DataFrame
    facts: dict[str, Any]
    append: bool
    taken: int
    after: int | None = None
    """The version that the rows replace, where they do."""


@dataclass(frozen=True)
class _Aside:
    """A version of the quarantine that only waits to be published; `expected` is the dataset's version beside it."""

    name: str
    made: Manifest
    digest: Digest
    head: Version | None
    rows: int
    expected: int | None
    reasons: Mapping[str, int]

    def publish(self, tx: Tx, beside: Version | None) -> Version:
        now = versions.find_head(tx, self.name)
        wrong_number = self.expected is not None and (beside is None or beside.number != self.expected)
        if wrong_number or (now and now.number) != (self.head and self.head.number):
            raise OvertakenError
        message = f"{self.rows:,} held back" if self.rows else "nothing held back"
        facts = {"held": self.rows, "reasons": dict(self.reasons)}
        return versions.publish(tx, versions.New(self.name, self.made, self.digest, self.head, message, None, facts))


def aside(publisher: Publisher, name: str, rows: pl.DataFrame, *, append: bool, expected: int | None = None) -> _Aside:
    """A version of a dataset's quarantine, drafted and stored: the rows after those there, or instead of them."""
    held = quarantine.name_of(name)
    head = publisher.find_head(held)
    base = load_table(publisher.store, head.digest) if append and head is not None else None
    made = drafts.draft(publisher.store, rows, held, key=(), event_time="arrived", base=base)
    reasons = quarantine.reasons(rows) if rows.height else {}
    return _Aside(held, made, publisher.store.put(encode(made)), head, rows.height, expected, reasons)


@dataclass
class _Move:
    """What happens in the transaction besides the version."""

    name: str
    batch: Batch
    position: Position
    standing: Standing
    aside: _Aside | None
    facts: Mapping[str, Any]
    event: str = field(default="", init=False)

    def told(self) -> dict[str, Any]:
        """What the version's event says of the collection."""
        found: dict[str, Any] = {"source": self.standing.address}
        return found | ({"held": self.aside.rows, "reasons": dict(self.aside.reasons)} if self.aside else {})

    def happens(self, tx: Tx, version: Version | None) -> None:
        """Publish the quarantine and move the source.

        Raises:
            OvertakenError: another process has moved it, or committed meanwhile.
        """
        if cursors.event_of(tx, self.name) != self.position.event:
            raise OvertakenError
        if self.aside is not None:
            self.aside.publish(tx, version)
        payload = {"cursor": self.standing.cursor, **self.facts, **self.told()}
        payload["version"] = None if version is None else version.ref
        self.event = tx.event(f"dataset:{self.name}", payload, verb="data.collect")
        cursors.move(
            tx,
            self.name,
            self.standing,
            state=self.batch.state,
            marks={**dict.fromkeys(self.position.gone), **self.batch.marks},
            event=self.event,
            live=self.position.live,
        )


def _new(version: Version, head: Version | None) -> Version | None:
    """The version, where it is another than the one before."""
    return None if head is not None and head.number == version.number else version


def _after(number: int, happens: Callable[[Tx, Version | None], None]) -> Callable[[Tx, Version], None]:
    """The move, where the version came right after the one whose rows it was made of."""

    def happens_after(tx: Tx, version: Version) -> None:
        if number not in {version.parent, version.number}:
            raise OvertakenError
        happens(tx, version)

    return happens_after


def _stamped(definition: Dataset, table: pl.DataFrame, arrived: datetime | None) -> pl.DataFrame:
    """The rows with the instant of their arrival; with none where it is not known: they were there before."""
    column = definition.arrives
    if column is None:
        return table
    if column in table.columns:
        return with_event_time(table, column, f"dataset '{definition.name}'")
    return table.with_columns(pl.lit(arrived, dtype=quarantine.ARRIVED).alias(column))


def _refused(definition: Dataset, wrong: pl.DataFrame) -> DataError:
    reason, row, where = wrong["reason"][0], wrong["row"][0], wrong["source"][0]
    return DataError(
        f"{wrong.height} rows do not fit dataset '{definition.name}'",
        cause=f"{reason}: {str(row)[:160]}" + (f" ({where})" if where else ""),
        cure='mend them, or let them be put aside, as mulle.dataset(…, on_bad="quarantine")',
    )
