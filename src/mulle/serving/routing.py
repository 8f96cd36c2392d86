"""Which revision answers a request: by its key, so that the same key keeps its revision; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

_SPACE = float(1 << 64)


def share_of(deployment: str, key: str) -> float:
    """A place in [0, 1) that depends on nothing but the deployment and the key."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8, key=deployment.encode()[:64]).digest()) / _SPACE


class Router:
    """Shares keys among revisions by weight. A revision whose weight grows keeps the keys it had."""

    def __init__(self, deployment: str, weights: Mapping[int, float]) -> None:
        total = sum(weights.values())
        self._deployment = deployment
        self._bounds: list[tuple[float, int]] = []
        reached = 0.0
        for number in sorted(weights, key=lambda one: (weights[one], -one)):
            reached += weights[number] / total
            self._bounds.append((reached, number))
        self.only = next(iter(weights)) if len(weights) == 1 else None

    def revision(self, key: str) -> int:
        """The revision for a key."""
        if self.only is not None:
            return self.only
        place = share_of(self._deployment, key)
        for bound, number in self._bounds:
            if place < bound:
                return number
        return self._bounds[-1][1]

    def revisions(self, keys: Sequence[str]) -> list[int]:
        """The revision for each key."""
        if self.only is not None:
            return [self.only] * len(keys)
        return [self.revision(key) for key in keys]
