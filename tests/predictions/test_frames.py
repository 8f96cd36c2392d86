from __future__ import annotations

import msgspec
import pytest

from mulle.errors import StoreError
from mulle.predictions.frames import Batch, decode, encode

BATCH = Batch(
    deployment="delay",
    revision=2,
    model="delay@7",
    role="live",
    at=1_359_676_800_000_000,
    ids=["p1"],
    keys=["UA1545"],
    inputs={"carrier": ["UA"], "wind": [None]},
    outputs={"probability": [0.25]},
    scores=[0.25],
    latency_us=[40],
)
FIRST = bytes.fromhex(
    "9c01a564656c617902a764656c61794037a46c697665cf0004d49e6cac600091a2703191a655413135343582a76361727269"
    "657291a25541a477696e6491c081ab70726f626162696c69747991cb3fd000000000000091cb3fd00000000000009128"
)


def test_a_frame_of_version_one_is_read_and_written_the_same_for_ever() -> None:
    assert encode(BATCH) == FIRST
    assert decode(FIRST) == BATCH


def test_a_frame_of_a_newer_version_names_the_cure() -> None:
    newer = msgspec.msgpack.encode([2, "delay"])

    with pytest.raises(StoreError, match="pip install --upgrade mulle"):
        decode(newer)
