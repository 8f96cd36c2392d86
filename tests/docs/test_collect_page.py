"""The page on collecting shows what its file says, and the file declares what the page tells of."""

from __future__ import annotations

import re
import runpy

import pytest
from tests.docs.typed import ROOT, blocks

from mulle.data.sources.port import Polled

SNIPPET = ROOT / "docs" / "snippets" / "collect.py"
PAGES = [ROOT / "docs" / language / "how-to" / "collect-data.md" for language in ("en", "ko")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.parent.name)
def test_the_page_shows_what_the_file_says(page: object) -> None:
    source = re.sub(r"\s+", " ", SNIPPET.read_text())
    for block in blocks(page, "python"):  # type: ignore[arg-type]
        assert re.sub(r"\s+", " ", block).strip() in source


def test_declaring_sources_reads_nothing() -> None:
    defined = runpy.run_path(str(SNIPPET))
    kinds = {name: defined[name].source.kind for name in ("orders", "deliveries", "rates", "readings", "visits")}
    assert kinds == {"orders": "sql", "deliveries": "files", "rates": "http", "readings": "objects", "visits": "lines"}
    assert isinstance(defined["requests"].source, Polled)
    assert defined["parse"]("12:00:01 GET /cart 200") == {"at": "12:00:01", "path": "/cart", "status": 200}
    assert "SHOP_PASSWORD" not in defined["orders"].source.address
