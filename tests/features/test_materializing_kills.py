"""A materialisation that is killed goes on where it stood, and ends where one goes that is not."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.features import materializer

from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.testing.soak import repeat

HOURS = 24


@pytest.mark.soak
def test_a_killed_materialisation_loses_no_row(tmp_path: Path) -> None:
    clock = SystemClock()
    Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False).close()
    data, features = materializer.opened(tmp_path)
    end = materializer.START + HOURS * materializer.HOUR
    data.commit(materializer.weather, materializer.readings(HOURS), watermark=end)
    instants = random.Random(5)
    for _ in range(repeat(3, 300)):
        run(tmp_path, f"{instants.uniform(0, 0.15):.4f}")
    assert run(tmp_path) == 0
    origins = tuple({"origin": f"airport {number}"} for number in range(7))
    found = features.online(("wind",), origins, end)
    newest = materializer.readings(HOURS).sort("at").unique(subset="origin", keep="last").sort("origin")
    assert [each.features["wind"] for each in found] == newest["wind"].to_list()


def run(folder: Path, *death: str) -> int:
    return subprocess.run(
        [sys.executable, materializer.__file__, str(folder), str(HOURS), *death], check=False
    ).returncode
