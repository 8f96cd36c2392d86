"""Do two engines of one model agree, and how fast is each?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from mulle.flavors.predictor import Predictor
    from mulle.flavors.signature import Columns, Signature

TOLERANCE = 1e-4
"""Largest difference of a probability, or of a number relative to the spread of predictions."""

ROWS = 1000
_REPEATS = 5
_AWKWARD_ROWS = 256
_ENOUGH_SECONDS = 0.3
_UNSEEN = "\u2047 never seen"


class Parity(msgspec.Struct, frozen=True):
    """The comparison of two engines over `rows` rows."""

    rows: int
    largest: float
    different: int
    classes_differ: int

    @property
    def holds(self) -> bool:
        return self.different == 0 and self.classes_differ == 0


def joined(first: Columns, more: Columns | None, signature: Signature) -> Columns:
    """The rows of both."""
    if more is None:
        return first
    return {name: np.concatenate((first[name], more[name])) for name in signature.names}


def compare(trusted: Predictor, candidate: Predictor, seen: Columns) -> Parity:
    """Compare on the rows seen and on awkward mixtures of them.

    Mixed rows (each column shuffled by itself), unseen words and null words are compared wherever the trusted engine
    takes them.
    """
    pairs = []
    for rows in (seen, *_awkward(seen)):
        n = _height(rows)
        try:
            expected = trusted.predict(rows, n)
        except Exception:
            if rows is seen:
                raise
            continue  # rows that the model itself refuses need no agreement
        pairs.append((n, expected, candidate.predict(rows, n)))
    return _difference(pairs)


def _difference(pairs: list[tuple[int, dict[str, Any], dict[str, Any]]]) -> Parity:
    largest, different, classes = 0.0, 0, 0
    for n, expected, found in pairs:
        scores = expected.get("probability", expected["prediction"])
        others = found.get("probability", found["prediction"])
        gap = np.abs(np.asarray(scores, dtype=np.float64) - np.asarray(others, dtype=np.float64)).reshape(n, -1)
        scale = (
            1.0 if "probability" in expected else max(1.0, float(np.nanstd(scores)), float(np.nanmax(np.abs(scores))))
        )
        worst = np.nan_to_num(gap.max(axis=1) / scale, nan=np.inf)
        largest = max(largest, float(worst.max()))
        different += int((worst > TOLERANCE).sum())
        if "probability" in expected:
            near = worst <= TOLERANCE
            undecided = _undecided(np.asarray(scores, dtype=np.float64))
            classes += int(((expected["prediction"] != found["prediction"]) & near & ~undecided).sum())
    return Parity(sum(n for n, *_ in pairs), largest, different, classes)


def _undecided(scores: Any) -> Any:
    """Rows so near to a tie that rounding decides."""
    if scores.ndim == 1:
        return np.abs(scores - 0.5) <= TOLERANCE
    best = np.sort(scores, axis=1)
    return best[:, -1] - best[:, -2] <= TOLERANCE


def _awkward(seen: Columns) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    few = {name: values[:_AWKWARD_ROWS] for name, values in seen.items()}
    n = _height(few)
    mixed = [{name: values[random.permutation(n)] for name, values in few.items()} for _ in range(3)]
    words = [name for name, values in few.items() if np.asarray(values).dtype.kind == "O"]
    for name in words:
        mixed.extend({**few, name: _filled(n, value)} for value in (None, _UNSEEN))
    return mixed


def _filled(n: int, value: Any) -> Any:
    found = np.empty(n, dtype=object)
    found[:] = value
    return found


def times(predictor: Predictor, seen: Columns) -> tuple[float, float]:
    """Seconds for one row and for a thousand: the best of a few calls, fewer for a slow model."""
    n = _height(seen)
    place = np.arange(ROWS) % n
    batch = {name: values[place] for name, values in seen.items()}
    single = {name: values[:1] for name, values in seen.items()}
    return _best(predictor, single, 1), _best(predictor, batch, ROWS)


def _best(predictor: Predictor, rows: Columns, n: int) -> float:
    best, spent = float("inf"), 0.0
    for _ in range(1 + _REPEATS):
        start = time.perf_counter()
        predictor.predict(rows, n)
        taken = time.perf_counter() - start
        best, spent = min(best, taken), spent + taken
        if spent > _ENOUGH_SECONDS:
            break
    return best


def _height(columns: Columns) -> int:
    return len(next(iter(columns.values())))
