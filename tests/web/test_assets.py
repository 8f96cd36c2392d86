from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mulle.web import assets

UI = Path(__file__).parents[2] / "ui"


def test_missing_assets_are_told_on_every_page_with_the_command_that_builds_them(
    empty: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "VENDOR", ("nothing.js",))
    page = empty.get("/").text
    assert ("nothing.js" in page, "make setup" in page) == (True, True)


def test_missing_assets_are_told_in_the_log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(assets, "VENDOR", ("nothing.js",))
    assets.warn_if_missing()
    assert "Cure: make setup" in caplog.text


def test_what_is_missing_is_not_asked_for() -> None:
    assert assets.load("vendor/nothing.js") == ""


def test_a_stamp_follows_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    (tmp_path / "a.js").write_text("one")
    before = assets.url("a.js")
    (tmp_path / "a.js").write_text("another")
    assert assets.url("a.js") != before


def test_the_packages_are_exact_and_locked_by_their_integrity_without_an_address() -> None:
    lock = json.loads((UI / "package-lock.json").read_text())["packages"]
    packages = {name: found for name, found in lock.items() if name}
    assert all(found["integrity"].startswith("sha512-") and "resolved" not in found for found in packages.values())


def test_the_packages_asked_for_are_those_that_are_locked() -> None:
    asked = json.loads((UI / "package.json").read_text())["dependencies"]
    lock = json.loads((UI / "package-lock.json").read_text())["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in asked} == asked
