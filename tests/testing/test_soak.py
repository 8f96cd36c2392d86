from __future__ import annotations

from pathlib import Path

import pytest

from mulle.testing import soak


def test_the_reduced_count_without_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MULLE_SOAK", raising=False)
    assert soak.repeat(3, 3000) == 3


def test_the_full_count_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULLE_SOAK", "1")
    monkeypatch.setattr(soak, "counted", {})
    assert soak.repeat(3, 3000) == 3000
    assert list(soak.counted.values()) == [3000]


def test_the_report_adds_up_by_module(tmp_path: Path) -> None:
    report = soak.Report("abc 2026-01-02")
    report.add("tests/store/test_kills.py::test_killed[1]", 1.0, failed=False)
    report.add("tests/store/test_kills.py::test_killed[2]", 2.0, failed=True)
    report.count({"store/test_kills.py:44": 140})
    report.write(tmp_path / "SOAK.md")
    assert "| store/test_kills.py | killed | 2 | 140 | 1 | 3 | abc 2026-01-02 |" in (tmp_path / "SOAK.md").read_text()


def test_modules_that_did_not_run_keep_their_rows(tmp_path: Path) -> None:
    for module, of in [("a", "one"), ("b", "one"), ("a", "two")]:
        report = soak.Report(of)
        report.add(f"tests/store/test_{module}.py::test_it", 1.0, failed=False)
        report.write(tmp_path / "SOAK.md")
    rows = [line for line in (tmp_path / "SOAK.md").read_text().splitlines() if ".py" in line]
    assert rows == ["| store/test_a.py | it | 1 |  | 0 | 1 | two |", "| store/test_b.py | it | 1 |  | 0 | 1 | one |"]


def test_nothing_is_written_where_nothing_ran(tmp_path: Path) -> None:
    soak.Report().write(tmp_path / "SOAK.md")
    assert not (tmp_path / "SOAK.md").exists()
