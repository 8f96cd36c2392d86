"""`mulle data gc` as people type it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.cli.said import Mulle


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mulle: Mulle) -> Path:
    """Two versions of a table, of which the first was removed."""
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        lines = "\n".join(random.Random(seed * 1_000 + row).randbytes(40).hex() for row in range(500))
        Path("rows.csv").write_text(f"text\n{lines}\n")
        assert mulle("data", "commit", "sales", "rows.csv").code == 0
    assert mulle("data", "rm", "sales@1", "--reason", "wrong file").code == 0
    return tmp_path


def test_it_says_what_it_freed(mulle: Mulle, folder: Path) -> None:
    said = mulle("data", "gc", "--grace", "0s")
    assert said.code == 0
    assert "deleted" in said.out
    assert "part of a table" in said.out
    assert mulle("data", "verify").code == 0


def test_a_dry_run_frees_nothing(mulle: Mulle, folder: Path) -> None:
    first = mulle("data", "gc", "--dry-run", "--grace", "0s")
    assert "would be deleted" in first.out
    again = mulle("data", "gc", "--dry-run", "--grace", "0s", "--json").json
    assert again["freed"]["objects"] > 0
    assert again["dry_run"] is True


def test_by_default_it_leaves_alone_what_is_young(mulle: Mulle, folder: Path) -> None:
    told = mulle("data", "gc", "--json").json
    assert told["young"]["objects"] > 0
    assert told["freed"]["objects"] == told["condemned"]["objects"] == 0


def test_it_tells_what_keeps_an_object(mulle: Mulle, folder: Path) -> None:
    digest = mulle("data", "show", "sales", "--json").json["version"]["digest"]
    said = mulle("data", "gc", "--why", digest[:20])
    assert said.out == f"{digest}\n← dataset_version(sales, 2).digest\n"


def test_what_nothing_keeps_is_a_failure(mulle: Mulle, folder: Path) -> None:
    said = mulle("data", "gc", "--why", "b3:" + "0" * 64)
    assert (said.code, said.out) == (1, "nothing keeps it\n")


@pytest.mark.parametrize("grace", ["soon", "-1h"])
def test_a_grace_that_is_none_is_a_wrong_usage(mulle: Mulle, folder: Path, grace: str) -> None:
    assert mulle("data", "gc", f"--grace={grace}").code == 2


def test_who_did_it_is_in_the_ledger(mulle: Mulle, folder: Path) -> None:
    mulle("data", "gc", "--grace", "0s", "--reason", "the disk is full")
    newest = mulle("audit", "log", "--limit", "1", "--json").json[0]
    assert (newest["verb"], newest["reason"]) == ("data.gc", "the disk is full")
