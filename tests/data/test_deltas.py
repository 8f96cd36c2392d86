"""Whatever edits a table goes through, what is read is what was committed, and what is stored is what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulle.data import deltas, drafts, manifest, parts, patches, reading
from mulle.data.deltas import Policy
from mulle.data.manifest import Manifest
from mulle.testing.memory_store import MemoryStore
from mulle.testing.soak import repeat
from mulle.types import Digest

START = datetime(2013, 1, 1, tzinfo=UTC)
SEVENTH = pl.col("id") % 100 == 7
EAGER = Policy(small=0, group=600, sources=6, fresh=12, carried=3)
"""Patches wherever they are possible, so that tables of a few rows go through all of it."""


def committed(store: MemoryStore, table: pl.DataFrame, head: Manifest | None = None, **given: Any) -> Manifest:
    named: dict[str, Any] = {"key": (), "event_time": None, "base": None, **given}
    return drafts.draft(store, table, "d", head=head, **named)


def read(store: MemoryStore, made: Manifest) -> pl.DataFrame:
    parts.forget()
    return reading.read_version(store, store.put(manifest.encode(made)))


def growth(store: MemoryStore, before: set[Digest]) -> int:
    return sum(store.size(digest) for digest in store.digests() if digest not in before)


def numbers(rows: int, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame({
        "id": np.arange(rows),
        "x": random.normal(size=rows),
        "y": random.normal(size=rows),
        "s": [f"row {each}" for each in random.integers(0, rows, rows)],
    })  # fmt: skip


values = st.integers(-2, 2) | st.none()
floats = st.sampled_from([0.0, -0.0, float("nan"), 1.5, None])
rows_ = st.lists(st.tuples(values, floats, st.sampled_from(["", "a", None])), max_size=40)
edits = st.lists(
    st.tuples(st.sampled_from(["put", "cut", "move", "same", "append"]), st.integers(0, 40), st.integers(0, 40), rows_),
    min_size=1,
    max_size=6,
)


def framed(rows: list[Any]) -> pl.DataFrame:
    schema: dict[str, Any] = {"a": pl.Int64, "b": pl.Float64, "c": pl.String, "at": pl.Datetime("us", "UTC")}
    timed = [(*row, None if row[0] is None else START + timedelta(hours=row[0])) for row in rows]
    return pl.DataFrame(timed, schema=schema, orient="row")


def bits(table: pl.DataFrame) -> list[Any]:
    return [tuple(map(repr, row)) for row in table.rows()]


def edited(rows: list[Any], edit: tuple[str, int, int, list[Any]]) -> list[Any]:
    kind, low, high, new = edit
    low, high = sorted((min(low, len(rows)), min(high, len(rows))))
    if kind == "put":
        return [*rows[:low], *new, *rows[high:]]
    if kind == "cut":
        return [*rows[:low], *rows[high:]]
    if kind == "move":
        return [*rows[:low], *rows[high:], *rows[low:high]]
    return [*rows, *new] if kind == "append" else rows


@pytest.mark.soak
@settings(max_examples=repeat(120, 5000), deadline=None)
@given(rows=rows_, chain=edits, piece=st.sampled_from([5, 17, 1 << 20]), eager=st.booleans())
def test_any_chain_of_edits_reads_as_it_was_committed(
    rows: list[Any], chain: list[Any], piece: int, eager: bool
) -> None:
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "POLICY", EAGER if eager else Policy(small=0))
        patch.setattr(parts, "PART_ROWS", piece)
        head: Manifest | None = None
        for edit in [("same", 0, 0, []), *chain]:
            rows = edited(rows, edit)
            table = framed(rows)
            head = committed(store, table, head, event_time="at")
            assert bits(read(store, head)) == bits(table)
            assert head.logical == committed(MemoryStore(), table, event_time="at").logical
            assert head.rows == len(rows)


@pytest.mark.soak
@settings(max_examples=repeat(40, 1000), deadline=None)
@given(rows=rows_, chain=edits, low=st.integers(-3, 3), high=st.integers(-3, 3), limit=st.integers(0, 50))
def test_a_span_and_a_page_of_a_patched_version_are_those_of_the_table(
    rows: list[Any], chain: list[Any], low: int, high: int, limit: int
) -> None:
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "POLICY", EAGER)
        patch.setattr(parts, "PART_ROWS", 10)
        head = committed(store, framed(rows), event_time="at")
        for edit in chain:
            rows = edited(rows, edit)
            head = committed(store, framed(rows), head, event_time="at")
    table = framed(rows)
    start, end = START + timedelta(hours=low), START + timedelta(hours=high)
    digest = store.put(manifest.encode(head))
    found = reading.read_version(store, digest, ["b", "c"], start, end)
    assert bits(found) == bits(table.filter(pl.col("at") >= start, pl.col("at") < end).select("b", "c"))
    assert bits(reading.page(store, head, limit, 7)) == bits(table.slice(limit, 7))
    found_tail = reading.tail(store, head, min(limit, len(rows)))
    assert found_tail is None or bits(found_tail) == bits(table.tail(limit))


@pytest.mark.soak
@settings(max_examples=repeat(40, 1000), deadline=None)
@given(rows=rows_, chain=edits, low=st.integers(-3, 3), bound=st.booleans(), large=st.booleans())
def test_a_filter_and_a_lazy_query_of_a_patched_version_are_those_of_the_table(
    rows: list[Any], chain: list[Any], low: int, bound: bool, large: bool
) -> None:
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas, "POLICY", EAGER)
        patch.setattr(parts, "PART_ROWS", 10)
        patch.setattr(parts, "LARGE", 0 if large else parts.LARGE)
        head = committed(store, framed(rows), event_time="at")
        for edit in chain:
            rows = edited(rows, edit)
            head = committed(store, framed(rows), head, event_time="at")
        parts.forget()
        table = framed(rows)
        start = START + timedelta(hours=low) if bound else None
        spanned = table if start is None else table.filter(pl.col("at") >= start)
        for where in (
            pl.col("a") > low,
            pl.col("b").is_null() | (pl.col("c") == "a"),
            pl.col("a") > pl.col("a").mean(),
        ):
            found = reading.read_manifest(store, head, ["c", "b"], start, where=where)
            assert bits(found) == bits(spanned.filter(where).select("c", "b"))
            lazy = reading.scan(store, head).filter(where).select("c", "b").collect()
            assert bits(lazy) == bits(table.filter(where).select("c", "b"))
        assert bits(reading.scan(store, head).head(7).collect()) == bits(table.head(7))
        assert reading.scan(store, head).select(pl.len()).collect().item() == len(rows)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda t: pl.concat([t, numbers(1000, 9)]), 0.015),
        (lambda t: pl.concat([t.head(40_000), numbers(1000, 9), t.tail(59_000)]), 0.015),
        (lambda t: pl.concat([t.head(30_000), numbers(1000, 9), t.tail(70_000)]), 0.015),
        (lambda t: pl.concat([t.head(30_000), t.tail(69_000)]), 0.001),
        (lambda t: t.with_columns(x=pl.when(SEVENTH).then(pl.col("x") + 1).otherwise("x")), 0.03),
        (lambda t: t.filter(~SEVENTH), 0.01),
        (lambda t: pl.concat([t.filter(~SEVENTH), t.filter(SEVENTH)]), 0.03),
        (lambda t: t, 0.0),
    ],
    ids=["append", "contiguous", "insert", "cut", "scattered", "deleted", "moved to the end", "same"],
)
@pytest.mark.parametrize("part", [1 << 20, 20_000, 1000])
def test_little_is_stored_for_little_change(change: Any, most: float, part: int, monkeypatch: Any) -> None:
    store = MemoryStore()
    table = numbers(100_000)
    head: Manifest | None = None
    for rows in table.iter_slices(part):  # as a table grows by appends
        head = committed(store, rows, base=head)
    assert head is not None
    monkeypatch.setattr(parts, "PART_ROWS", max(part, 20_000))
    before, size = set(store.digests()), head.bytes
    again = committed(store, change(table), head)
    assert growth(store, before) <= most * size + (60_000 if part == 1000 else 0)
    assert read(store, again).equals(change(table))


def test_the_layout_is_compacted_when_it_has_too_much_that_is_gone() -> None:
    store = MemoryStore()
    table = numbers(20_000)
    head = committed(store, table)
    for turn in range(40):
        table = table.with_columns(x=pl.when(pl.col("id") % 20 == turn % 20).then(pl.lit(float(turn))).otherwise("x"))
        head = committed(store, table, head)
    (entry,) = head.levels[0]
    patch = parts.find_patch(store, entry)
    assert patch is None or sum(each.rows for each in patch.sources) < 1.5 * table.height
    assert read(store, head).equals(table)


def test_a_shuffled_table_is_stored_anew() -> None:
    store = MemoryStore()
    table = numbers(20_000)
    head = committed(store, table)
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    again = committed(store, shuffled, head)
    assert all(parts.find_patch(store, entry) is None for entry in again.levels[0])
    assert read(store, again).equals(shuffled)
    assert again.logical != head.logical


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=60))
def test_runs_come_back_as_they_were_packed(rows: list[tuple[int, int]]) -> None:
    source, row = (np.array([each[at] for each in rows], np.int64) for at in (0, 1))
    runs = patches.unpacked(patches.packed(patches.runs_of(source, row)))
    again = runs.each_row()
    assert (again[0].tolist(), again[1].tolist()) == (source.tolist(), row.tolist())


@pytest.mark.soak
@settings(max_examples=repeat(200, 5000), deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), max_size=60),
    st.booleans(),
)
def test_rows_are_put_together_in_any_order(heights: list[int], wanted: list[tuple[int, int]], few: bool) -> None:
    frames = [pl.DataFrame({"n": range(at * 10, at * 10 + rows)}) for at, rows in enumerate(heights)]
    rows = [(at % len(heights), row % heights[at % len(heights)]) for at, row in wanted]
    source, row = (np.array([each[at] for each in rows], np.int64) for at in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "FEW_RUNS", 256 if few else 0)
        found = patches.put_together([*frames], patches.runs_of(source, row))
    assert found["n"].to_list() == [at * 10 + each for at, each in rows]
    assert [frame["n"].to_list() for frame in frames] == [
        list(range(at * 10, at * 10 + rows)) for at, rows in enumerate(heights)
    ]


@pytest.mark.parametrize(
    "values",
    [
        [[1.0], [-0.0], None, []],
        [{"a": 1.0}, {"a": None}, None, {"a": -0.0}],
        [b"a", None, b"", b"b"],
        [True, None, False, True],
        [timedelta(1), None, timedelta(2), timedelta(3)],
        [None, None, None, None],
    ],
)
def test_any_type_is_patched(values: list[Any]) -> None:
    store = MemoryStore()
    table = pl.DataFrame({"v": values * 5000, "n": range(20_000)})
    changed = table.with_columns(n=pl.when(pl.col("n") % 100 == 0).then(-1).otherwise("n"))
    head = committed(store, table)
    again = committed(store, changed, head)
    assert read(store, again).equals(changed)
