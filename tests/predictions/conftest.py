from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mulle.clock import VirtualClock
from mulle.testing.planes import Planes

START = datetime(2013, 2, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def planes(tmp_path: Path, clock: VirtualClock) -> Iterator[Planes]:
    made = Planes(tmp_path, clock)
    yield made
    made.close()
