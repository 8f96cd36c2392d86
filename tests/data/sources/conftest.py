from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import mulle.data as api
from mulle.clock import VirtualClock
from mulle.data import DataService
from mulle.data.definition import Dataset

Collect = Callable[..., list[int]]


@pytest.fixture
def collect(data: DataService, clock: VirtualClock) -> Collect:
    """Collect a source into the dataset `rows`, an hour later each time; gives the versions' numbers of rows."""

    def collected(source: Any, **more: Any) -> list[int]:
        clock.advance(timedelta(hours=1))
        anew = more.pop("anew", False)
        defined = source if isinstance(source, Dataset) else api.dataset("rows", source=source, **more)
        return [version.rows for version in data.collect(defined, clock.now(), anew=anew)]

    return collected
