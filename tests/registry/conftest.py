from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mulle.flavors import Model
from mulle.testing.models import Leaning, Summing
from mulle.testing.planes import Planes


@pytest.fixture
def planes(tmp_path: Path) -> Iterator[Planes]:
    made = Planes(tmp_path)
    yield made
    made.close()


@pytest.fixture
def rows() -> pl.DataFrame:
    return pl.DataFrame({"a": [1.0, -2.0, 0.5, 3.0], "late": [True, False, True, False]})


@pytest.fixture
def summing(rows: pl.DataFrame) -> list[Model]:
    return [Model(Summing(constant), example=rows.select("a")) for constant in (0.0, 100.0)]


@pytest.fixture
def leaning(rows: pl.DataFrame) -> Model:
    return Model(Leaning(), example=rows.select("a"))
