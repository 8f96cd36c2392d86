"""The page on data and features shows what its file runs, in both languages."""

from __future__ import annotations

import re
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks

import mulle.data.tables  # noqa: F401 - declares the tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data import DataService
from mulle.features import TrainingSpec, build_training_set
from mulle.testing.memory_store import MemoryStore

SNIPPET = ROOT / "docs" / "snippets" / "data.py"
PAGES = [ROOT / "docs" / language / "reference" / "data.md" for language in ("en", "ko")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.parent.name)
def test_the_page_shows_what_the_file_says(page: Path) -> None:
    source = re.sub(r"\s+", " ", SNIPPET.read_text())
    for block in blocks(page, "python"):
        assert re.sub(r"\s+", " ", block).strip().removesuffix(" ...") in source


def test_both_languages_show_the_same_code() -> None:
    english, korean = (blocks(page, "python") for page in PAGES)
    assert english == korean


def test_the_file_makes_a_training_set(tmp_path: Path) -> None:
    defined = runpy.run_path(str(SNIPPET))
    rides, recent = defined["rides"], defined["recent_rides"]
    start = datetime(2024, 5, 1, tzinfo=UTC)
    clock = VirtualClock(start)
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as catalog:
        store = MemoryStore()
        head = DataService(catalog, store).collect(rides, start + timedelta(days=7))[-1]
    spec = TrainingSpec(rides, head.digest, ((recent, head.digest),), timedelta(days=3), start + timedelta(days=7))
    rows = build_training_set(store, spec)
    assert rows.columns == ["ride", "__asked", "at", "station", "minutes_1d", "long"]
    assert rows["minutes_1d"].null_count() == 0
