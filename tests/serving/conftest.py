from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mulle.flavors import Model
from mulle.testing.models import Summing
from mulle.testing.planes import Planes


@pytest.fixture
def planes(tmp_path: Path) -> Iterator[Planes]:
    made = Planes(tmp_path)
    yield made
    made.close()


@pytest.fixture
def example() -> pl.DataFrame:
    return pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


@pytest.fixture
def summing(planes: Planes, example: pl.DataFrame) -> Planes:
    """Three versions of a model that adds up, told apart by hundreds; the first is deployed."""
    planes.register("sum", *(Model(Summing(constant), example=example) for constant in (0.0, 100.0, 200.0)))
    planes.deployments.deploy("sum", "sum@1")
    return planes
