"""Documentation agrees with the project: layers, links, and the code that languages share."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.typed import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
KOREAN = sorted((DOCS / "ko").rglob("*.md"))
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^```\w*\n.*?^```", re.MULTILINE | re.DOTALL)


def test_the_architecture_page_shows_the_layers_that_are_enforced() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (DOCS / "en" / "explanation" / "architecture.md").read_text("utf-8")
    places = [page.find(f"\n{layer} ") if f"\n{layer} " in page else page.find(f"\n{layer}\n") for layer in layers[1:]]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", KOREAN, ids=lambda page: str(page.relative_to(DOCS)))
def test_korean_pages_share_their_code_with_the_english_ones(page: Path) -> None:
    english = DOCS / "en" / page.relative_to(DOCS / "ko")
    assert _FENCE.findall(page.read_text("utf-8")) == _FENCE.findall(english.read_text("utf-8"))


def test_every_english_page_for_users_has_a_korean_one() -> None:
    english = {page.relative_to(DOCS / "en") for page in (DOCS / "en").rglob("*.md")}
    korean = {page.relative_to(DOCS / "ko") for page in KOREAN}
    assert {str(page) for page in english - korean} <= ENGLISH_ONLY


ENGLISH_ONLY = {"reference/formats.md", "explanation/architecture.md"}
"""Pages for those who change mulle."""
