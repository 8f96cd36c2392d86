"""What is on the disk stays what the format specification says."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from mulle.hashing import digest_bytes
from mulle.pipelines import values
from mulle.pipelines.values import Shelf
from mulle.tracking.recording import ArtifactFact, MetricFact, ParamFact


@pytest.mark.parametrize(
    ("value", "codec", "data"),
    [
        ({"a": [1, 2.5, None, True, b"x"]}, "plain", bytes.fromhex("81a1619501cb4004000000000000c0c3c40178")),
        (np.array([1, 2], dtype="<i2"), "numpy", None),
        (pl.DataFrame({"x": [1, None], "s": ["a", "b"]}), "arrow", None),
    ],
)
def test_a_values_codec_and_bytes_are_fixed(shelf: Shelf, value: object, codec: str, data: bytes | None) -> None:
    ref = values.encode(value, shelf)
    stored = shelf.store.get(ref.digest)  # type: ignore[arg-type]
    assert ref.codec == codec
    assert data is None or stored == data
    assert digest_bytes(stored) == ref.digest
    assert stored.startswith({"plain": b"", "numpy": b"\x93NUMPY\x01\x00", "arrow": b"ARROW1"}[codec])


@pytest.mark.parametrize(
    ("fact", "array"),
    [
        (MetricFact("o", "loss", 0.5, None, 7), ["m", "o", "loss", 0.5, None, 7]),
        (ParamFact("o", "depth", 3), ["p", "o", "depth", 3]),
        (ArtifactFact("o", "plot", "b3:0", "file", 9), ["a", "o", "plot", "b3:0", "file", 9]),
    ],
)
def test_facts_are_arrays(fact: object, array: list[object]) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact)) == array
