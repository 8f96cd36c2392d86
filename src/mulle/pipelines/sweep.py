"""A sweep: a pipeline run once for each combination of values of some parameters; what they share is computed once."""

from __future__ import annotations

import concurrent.futures
import contextvars
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert, select, update

from mulle.errors import MulleError, UsageError, unknown
from mulle.pipelines.tables import sweep, sweep_run
from mulle.tracking import runs
from mulle.tracking.tables import run as run_table

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Catalog, Tx
    from mulle.pipelines.definition import Pipeline
    from mulle.pipelines.model import Progress, RunResult

_MOST = 10_000
_LOOK_SECONDS = 0.5


class Swept(msgspec.Struct, frozen=True):
    """One run of a sweep."""

    values: dict[str, Any]
    """The parameters that the sweep varies."""
    status: str = "pending"
    run: str = ""
    metrics: dict[str, float | None] = {}
    outputs: dict[str, Any] = {}
    """What the pipeline returned, as far as it is small and plain."""
    steps_executed: int = 0
    steps_cached: int = 0
    error: str = ""


class Sweep(msgspec.Struct, frozen=True):
    """A group of runs of one pipeline, one for each combination of values."""

    id: str
    pipeline: str
    axes: dict[str, list[Any]]
    params: dict[str, Any]
    """Those that are the same for all."""
    created: datetime
    runs: list[Swept]


Start = Callable[[dict[str, Any], "Callable[[Progress], None]"], "RunResult"]
"""Runs the pipeline with these parameters, telling how it goes on."""


def combinations(
    pipeline: Pipeline[..., Any], axes: Mapping[str, Sequence[Any]], params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The values of the swept parameters for each run, the last axis varying fastest, checked with all others.

    Raises:
        UsageError: an axis has no values, is given as a parameter too, or a value is of another type.
        UnknownNameError: the pipeline has no such parameter.
    """
    for name, values in axes.items():
        if isinstance(values, str) or not values:
            raise UsageError(
                f"there is nothing to sweep '{name}' over",
                cause="a list of values is needed",
                cure=f"--sweep {name}=1,2,3",
            )
        if name in params:
            raise UsageError(
                f"'{name}' is swept and given", cause="it is one or the other", cure=f"drop --param {name}"
            )
    found = [dict(zip(axes, each, strict=True)) for each in itertools.product(*axes.values())]
    if not axes or len(found) > _MOST:
        raise UsageError(
            f"a sweep of {len(found) if axes else 0} runs cannot be",
            cause=f"there is one for each combination of values; from 1 to {_MOST}",
            cure="mulle run PIPELINE --sweep NAME=VALUE,VALUE",
        )
    for each in found:
        pipeline.parameters({**params, **each})
    return found


class Sweeping:
    """Makes the runs of one sweep, several at once where `jobs` says so. Used once."""

    def __init__(
        self,
        catalog: Catalog,
        start: Start,
        outputs: Callable[[RunResult], dict[str, Any]],
        *,
        jobs: int = 1,
        on_run: Callable[[Swept, int, int], None] | None = None,
    ) -> None:
        """Prepare.

        Args:
            catalog: where the sweep is recorded.
            start: makes one run.
            outputs: what of a run's outputs is shown.
            jobs: how many runs at once.
            on_run: called when a run is over, with how many are and how many there are, in any thread.
        """
        self._catalog = catalog
        self._start = start
        self._outputs = outputs
        self._jobs = jobs
        self._on_run = on_run
        self._begun: dict[int, str] = {}
        self._over = 0
        self._lock = threading.Lock()

    def make(self, pipeline: str, axes: Mapping[str, Sequence[Any]], params: Mapping[str, Any], values: Any) -> Sweep:
        """Make all runs; one that fails keeps none of the others from being made.

        Args:
            pipeline: its name, for the record.
            axes: what is swept.
            params: what is the same for all.
            values: what `combinations` gave.
        """
        with self._catalog.write() as tx:
            made = tx.new_id()
            kept = {"axes": {name: list(each) for name, each in axes.items()}, "params": dict(params)}
            tx.execute(insert(sweep).values(id=made, pipeline=pipeline, created=tx.now, **kept))
            rows = [{"sweep": made, "position": at, "values": each} for at, each in enumerate(values)]
            tx.execute(insert(sweep_run).values(run="", outputs={}, executed=0, cached=0, error=""), rows)
        with concurrent.futures.ThreadPoolExecutor(self._jobs, thread_name_prefix="sweep") as threads:
            waiting = {
                threads.submit(contextvars.copy_context().run, self._one, made, at, params, each, len(values))
                for at, each in enumerate(values)
            }
            try:
                while waiting:
                    done, waiting = concurrent.futures.wait(waiting, _LOOK_SECONDS)
                    for future in done:
                        future.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self._cancel()
                raise
        with self._catalog.read() as tx:
            return get(tx, made)

    def _one(self, sweep_id: str, at: int, params: Mapping[str, Any], values: dict[str, Any], total: int) -> None:
        def heard(progress: Progress) -> None:
            self._begun[at] = progress.run

        try:
            result = self._start({**params, **values}, heard)
            outputs = self._outputs(result) if result.status == "succeeded" else {}
            told: dict[str, Any] = {"run": result.id, "outputs": outputs, "error": result.error}
            told |= {"executed": result.steps_executed, "cached": result.steps_cached}
        except MulleError as error:
            told = {"run": self._begun.get(at, ""), "error": str(error)}
        with self._catalog.write() as tx:
            here = (sweep_run.c.sweep == sweep_id) & (sweep_run.c.position == at)
            tx.execute(update(sweep_run).where(here).values(**told))
        with self._lock:
            self._over += 1
            if self._on_run is not None:
                with self._catalog.read() as tx:
                    self._on_run(get(tx, sweep_id).runs[at], self._over, total)

    def _cancel(self) -> None:
        """Have the runs end that are under way."""
        with self._catalog.write() as tx:
            for run in self._begun.values():
                runs.request_cancel(tx, run)


def listed(tx: Tx, limit: int, pipeline: str | None = None) -> list[Sweep]:
    """The newest sweeps, newest first, with their runs."""
    statement = select(sweep).order_by(sweep.c.created.desc(), sweep.c.id.desc()).limit(limit)
    if pipeline is not None:
        statement = statement.where(sweep.c.pipeline == pipeline)
    return [_sweep(tx, row) for row in tx.all(statement)]


def get(tx: Tx, sweep_id: str) -> Sweep:
    """One sweep, also by a unique beginning of its id.

    Raises:
        UnknownNameError: there is none, or several begin so.
    """
    rows = tx.all(select(sweep).where(sweep.c.id.startswith(sweep_id, autoescape=True)).limit(2)) if sweep_id else []
    exact = [row for row in rows if row.id == sweep_id] or rows
    if len(exact) != 1:
        known = [row.id for row in tx.all(select(sweep.c.id).order_by(sweep.c.id.desc()).limit(50))]
        raise unknown("sweep", sweep_id, known, cure="mulle runs sweeps")
    return _sweep(tx, exact[0])


def _sweep(tx: Tx, row: Row[Any]) -> Sweep:
    joined = select(sweep_run, run_table.c.status, run_table.c.metrics).outerjoin(
        run_table, run_table.c.id == sweep_run.c.run
    )
    found = tx.all(joined.where(sweep_run.c.sweep == row.id).order_by(sweep_run.c.position))
    return Sweep(row.id, row.pipeline, row.axes, row.params, row.created, [_swept(each) for each in found])


def _swept(row: Row[Any]) -> Swept:
    status = row.status or ("failed" if row.error else "pending")
    counts = {"steps_executed": row.executed, "steps_cached": row.cached}
    kept = {"metrics": row.metrics or {}, "outputs": row.outputs, "error": row.error}
    return Swept(values=row._mapping["values"], status=status, run=row.run, **kept, **counts)  # noqa: SLF001 - `values` is a method
