"""The verbs of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.pipelines import journal
from mulle.pipelines.following import Following
from mulle.pipelines.model import LogLine, RunGraph, StepRun
from mulle.tracking import runs
from mulle.tracking.ingest import ingest
from mulle.tracking.model import Artifact, Point, Run
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mulle.catalog import Catalog


class RunService:
    """What ran, how it went, and what it recorded."""

    plane = "runs"

    def __init__(self, *, catalog: Catalog, workspace: Path) -> None:
        self._catalog = catalog
        self._logs = workspace / "logs"
        self._spool = workspace / "spool" / "metrics"

    @verb("read")
    def list(self, limit: int = 20, pipeline: str | None = None) -> tuple[Run, ...]:
        """The newest runs, newest first; of one pipeline if one is named."""
        self._bury()
        with self._catalog.read() as tx:
            return tuple(runs.listed(tx, limit, pipeline))

    @verb("read")
    def show(self, id: str) -> Run:  # noqa: A002 - the field's word
        """One run, also by a unique beginning of its id; with the latest values of its metrics while it runs."""
        self._bury()
        ingest(self._catalog, self._spool)
        with self._catalog.read() as tx:
            run = runs.get(tx, id)
            if run.status == "running":
                return msgspec.structs.replace(run, metrics=runs.latest_metrics(tx, run.id))
            return run

    @verb("read")
    def steps(self, id: str) -> tuple[StepRun, ...]:  # noqa: A002 - as above
        """The step runs of a run, in the order of the pipeline's calls."""
        with self._catalog.read() as tx:
            return tuple(journal.steps(tx, runs.get(tx, id).id))

    @verb("read")
    def graph(self, id: str) -> RunGraph:  # noqa: A002 - as above
        """The graph of a run, with the state of each step."""
        with self._catalog.read() as tx:
            return journal.graph(tx, runs.get(tx, id).id)

    @verb("read")
    def metrics(self, id: str, key: str) -> tuple[Point, ...]:  # noqa: A002 - as above
        """The points of one metric, in the order in which they were logged."""
        ingest(self._catalog, self._spool)
        with self._catalog.read() as tx:
            return tuple(runs.points(tx, runs.get(tx, id).id, key))

    @verb("read")
    def artifacts(self, id: str) -> tuple[Artifact, ...]:  # noqa: A002 - as above
        """The files and folders that were kept with a run."""
        ingest(self._catalog, self._spool)
        with self._catalog.read() as tx:
            return tuple(runs.artifacts(tx, runs.get(tx, id).id))

    @verb("read")
    def logs(self, step_run: str, follow: bool = False) -> Iterator[LogLine]:
        """What a step printed, line by line; of an adopted step, what the original printed.

        Args:
            step_run: its id, as `mulle runs steps RUN` tells it.
            follow: wait for more lines as they come, until the step is over.
        """
        with self._catalog.read() as tx:
            step = journal.one(tx, step_run)
        names = dict.fromkeys([step.id, step.origin or step.id])

        def find() -> Path | None:
            return next((path for name in names if (path := self._logs / f"{name}.log").is_file()), None)

        return Following(find, lambda: not follow or self._is_over(step.id))

    def _is_over(self, step_run: str) -> bool:
        with self._catalog.read() as tx:
            step = journal.one(tx, step_run)
            if step.status not in {"pending", "running"}:
                return True
            over = runs.get(tx, step.run).status != "running"
        if not over:
            self._bury()
        return over

    @verb("write")
    def cancel(self, id: str) -> Run:  # noqa: A002 - as above
        """Ask a running run to end; its process does so within a second."""
        with self._catalog.write() as tx:
            run = runs.get(tx, id)
            runs.request_cancel(tx, run.id)
            return run

    def _bury(self) -> None:
        """Say of runs whose process is gone that they are over."""
        with self._catalog.read() as tx:
            lost = runs.lost(tx)
        if lost:
            with self._catalog.write() as tx:
                journal.bury(tx)
