"""Distributions behind import names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mulle.hashing import distributions


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(folder: Path, name: str, version: str, module: str, *requires: str) -> None:
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires), "", "text"]
    (metadata / "METADATA").write_text("\n".join(lines))
    (metadata / "RECORD").write_text(f"{module}/__init__.py,,\n")


def test_a_module_of_another_name_is_found(site_packages: Path) -> None:
    install(site_packages, "scikit_learn", "1.9", "sklearn")
    assert distributions.versions(["sklearn"]) == {"scikit-learn": "1.9"}


def test_requirements_are_followed_extras_are_not(site_packages: Path) -> None:
    install(site_packages, "a", "1", "a", "B_c (>=2)", "x; extra == 'more'")
    install(site_packages, "b_c", "2", "bc", "d>1; python_version > '3'")
    install(site_packages, "d", "3", "d")
    install(site_packages, "x", "4", "x")
    assert distributions.versions(["a"]) == {"a": "1", "b-c": "2", "d": "3"}


def test_the_standard_library_is_of_no_distribution() -> None:
    assert distributions.versions(["json", "nowhere"]) == {}
