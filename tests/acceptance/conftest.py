"""One workspace for the whole folder, made by the prompt and asked by it: the shop, trained twice, two deployments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance import shop
from tests.acceptance.prompt import mulle, must
from tests.cli.said import Mulle

from mulle.workspace import Workspace


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop: `front` was taught by visits@6 and answered 100 rows, then by visits@10 and answered 100 more;
    `back` was taught by visits@6."""
    path = shop.write(tmp_path_factory.mktemp("acceptance") / "shop")
    asked = [{"shop": "park" if n % 2 else "port", "rain": n / 50} for n in range(shop.ROWS)]
    (path / "rows.json").write_text(json.dumps(asked))
    with Workspace.open(path) as ws:
        ws.collect("visits", until="2026-02-12")
        ws.run("back")
        ws.deploy("back")
    for words in ("run front", "deploy front", "predict front --rows rows.json"):
        must(path, *words.replace("rows.json", str(path / "rows.json")).split())
    must(path, "data", "collect", "visits", "--until", "2026-03-12")
    for words in ("run front", "deploy front", "predict front --rows rows.json"):
        must(path, *words.replace("rows.json", str(path / "rows.json")).split())
    return path


@pytest.fixture
def ws(built: Path) -> Iterator[Workspace]:
    with Workspace.open(built) as opened:
        yield opened


@pytest.fixture
def ask(built: Path) -> Mulle:
    """`ask("runs", "list", "--json")` in the shop."""
    return lambda *words: mulle(built, *words)


@pytest.fixture
def answer(built: Path) -> Callable[..., Any]:
    """The JSON of a call in the shop that succeeds."""
    return lambda *words: must(built, *words)
