"""What documents, help texts and errors tell people to type exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from scripts.build_reference import commands
from tests.docs.typed import ROOT, blocks, lines, problem

from mulle.cli.main import PLACES

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
_ONLY_IN_GROUPS = {"list", "show", "log", "history", "status", "events", "versions"}
_TOLD = re.compile(r"\bmulle ([a-z]+)(?: ([a-z]+))?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_command_lines_of_a_page_are_understood(page: Path) -> None:
    assert [found for block in blocks(page) for line in lines(block) if (found := problem(line))] == []


def test_the_examples_in_the_help_are_understood() -> None:
    examples = [line for command in commands().values() for line in getattr(command, "examples", ())]
    assert [found for text in examples for line in lines(text) if (found := problem(line))] == []


@pytest.mark.parametrize("source", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_cures_name_commands_that_exist(source: Path) -> None:
    assert [told for told in cures(source) if not exists(told)] == []


def cures(source: Path) -> list[str]:
    """The texts that a module gives as cures."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "cure":
            parts = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            found += [part for part in parts if isinstance(part, str) and "mulle " in part]
    return found


def exists(told: str) -> bool:
    known = commands()
    for name, inner in _TOLD.findall(told):
        grouped = any(words.startswith(f"{name} ") for words in known)
        if f"{name} {inner}" in known:
            continue
        wrong = name != "backtest" if grouped else inner in _ONLY_IN_GROUPS
        if name not in PLACES or (inner and wrong):
            return False
    return True
