"""Planted leaks: a view that would use labels before they are known gains nothing; one that looks ahead is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance import shop
from tests.acceptance.prompt import mulle

from mulle.workspace import Workspace

pytestmark = pytest.mark.slow

CHANCE = shop.PROJECT.replace(
    "chance.random(2 * hours) < 1 / (1 + np.exp(1.5 - 1.2 * rain - lift))", "chance.random(2 * hours) < 0.5"
)
"""Labels that nothing can foretell: whatever does better than one half has seen them."""
VIEW = CHANCE[CHANCE.index("@mulle.feature_view") : CHANCE.index("@mulle.step")]


def with_view(text: str) -> str:
    return CHANCE.replace(VIEW, text + "\n\n")


IMPATIENT = with_view("""
@mulle.feature_view(entity=["visit"], source=visits, ttl="400d", available_after="0s")
def recent(rows: mulle.Table) -> mulle.Table:
    told = "busy" if "busy" in rows.columns else None
    return rows.select("visit", "at", share=pl.col(told).cast(pl.Float64) if told else pl.lit(0.5))
""")
AHEAD = with_view("""
@mulle.feature_view(entity=["shop"], source=visits, ttl="400d", available_after="1d")
def recent(rows: mulle.Table) -> mulle.Table:
    ahead = pl.col("busy").cast(pl.Float64).shift(-24).over("shop")
    return rows.sort("shop", "at").select("shop", "at", share=ahead)
""")


def auc(folder: Path) -> float:
    with Workspace.open(folder) as ws:
        ws.collect("visits", until="2026-03-12")
        ws.run("front")
        return float(ws.models.show("front").metrics["roc_auc"])


def test_a_view_that_does_not_wait_for_the_label_gains_nothing(tmp_path: Path) -> None:
    assert 0.4 < auc(shop.write(tmp_path, project=IMPATIENT)) < 0.6


def test_without_the_declared_delay_the_same_view_would_gain(tmp_path: Path) -> None:
    undeclared = IMPATIENT.replace('label_delay="1d"', 'label_delay="0s"')
    assert auc(shop.write(tmp_path, project=undeclared)) > 0.95


def test_a_view_that_names_the_label_too_early_is_told_why_it_is_not_there(tmp_path: Path) -> None:
    early = shop.PROJECT.replace('available_after="1d"', 'available_after="0s"')
    shop.write(tmp_path, project=early)
    said = mulle(tmp_path, "run", "front", "--json")
    assert (said.code, said.json["status"]) == (1, "failed")
    assert "busy" in said.json["error"]


def test_a_view_that_looks_ahead_is_found(tmp_path: Path) -> None:
    shop.write(tmp_path, project=AHEAD)
    with Workspace.open(tmp_path) as ws:
        ws.collect("visits", until="2026-02-12")
    said = mulle(tmp_path, "features", "check", "recent", "--json")
    assert (said.code, said.json["leaks"][0]["kind"], said.json["leaks"][0]["column"]) == (1, "future", "share")
