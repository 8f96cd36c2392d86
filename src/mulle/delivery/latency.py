"""How long one row takes in the serving environment: the engine that would serve it, on rows it was evaluated on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from mulle.flavors import columns_of
from mulle.flavors.engines import load_engine
from mulle.flavors.signature import Signature

if TYPE_CHECKING:
    from mulle.access import Signer
    from mulle.clock import Clock
    from mulle.registry import ModelVersion, Registry

_CALLS = 400
_WARM = 20


class Timed:
    """A stopwatch: calls the engine for single rows, one row at a time, in this process.

    Args:
        registry: where engines are.
        signer: vouches for pickled models of this workspace.
        clock: its monotonic time is read.
    """

    def __init__(self, registry: Registry, signer: Signer, clock: Clock) -> None:
        self._registry = registry
        self._signer = signer
        self._clock = clock

    def __call__(self, version: ModelVersion) -> timedelta | None:
        report = self._registry.report(version)
        names = [field.name for field in version.signature]
        if report is None or report.rows is None or not set(names) <= set(report.rows.columns):
            return None
        directory, engine = self._registry.bundle_directory(version), self._registry.engine_directory(version)
        predictor = load_engine(directory, engine, self._signer)
        rows = report.rows.select(names).head(_CALLS)
        columns = columns_of(rows, Signature(version.signature, []))
        taken = []
        for place in range(_CALLS + _WARM):
            row = place % rows.height
            one = {name: values[row : row + 1] for name, values in columns.items()}
            began = self._clock.monotonic()
            predictor.predict(one, 1)
            taken.append(self._clock.monotonic() - began)
        return timedelta(seconds=float(np.quantile(taken[_WARM:], 0.99)))
