"""Batches as a worker would spool them."""

from __future__ import annotations

from typing import Any

from mulle.predictions.frames import LIVE, Batch

BASE = 1_359_676_800_000_000


def batch(*names: str, at: int = 0, deployment: str = "delay", **changed: Any) -> Batch:
    values: dict[str, Any] = {
        "revision": 1,
        "model": "delay@1",
        "role": LIVE,
        "keys": [f"key-{name}" for name in names],
        "inputs": {"carrier": ["AA"] * len(names), "wind": [1.5] * len(names)},
        "outputs": {"prediction": [True] * len(names), "probability": [0.75] * len(names)},
        "scores": [0.75] * len(names),
        "latency_us": [40] * len(names),
        **changed,
    }
    return Batch(deployment=deployment, at=BASE + at, ids=list(names), **values)
