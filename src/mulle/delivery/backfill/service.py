"""The verbs of backfills."""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from mulle.delivery.backfill import record
from mulle.delivery.backfill import windows as spans
from mulle.delivery.backfill.model import Backfill, BackfillReport, Request, Window, WindowState
from mulle.errors import MulleError, UsageError
from mulle.pipelines.describing import plain
from mulle.tracking import runs
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.service import DataService
    from mulle.pipelines.definition import Pipeline
    from mulle.pipelines.model import Progress, RunResult

Backfills: TypeAlias = list[Backfill]
States: TypeAlias = list[WindowState]
Given: TypeAlias = dict[str, Any]
Tell: TypeAlias = Callable[[str, float | None, float | None], None]
_LOOK_SECONDS = 0.25
_GRACE_SECONDS = 10.0


class Start(Protocol):
    """Runs a pipeline and waits for its end."""

    def __call__(
        self,
        pipeline: str,
        /,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> RunResult:
        """`PipelineService.start` is one."""


class BackfillService:
    """Runs of a pipeline for the windows of a range, and the partitions of a dataset, that have none yet."""

    plane = "backfills"

    def __init__(
        self, catalog: Catalog, data: DataService, start: Start, pipeline: Callable[[str], Pipeline[..., Any]]
    ) -> None:
        self._catalog = catalog
        self._data = data
        self._start = start
        self._pipeline = pipeline

    @verb("read")
    def plan(self, request: Request) -> States:
        """The windows that a backfill would have, in order: those that have a run ("present") and those to be run."""
        planned = self._planned(request)
        return [
            WindowState(
                **msgspec.structs.asdict(window), number=number, status="present" if run else "pending", run=run
            )
            for number, (window, _, run) in enumerate(planned)
        ]

    @verb("write")
    def run(self, request: Request) -> BackfillReport:
        """Run what is missing, `jobs` windows at a time, and return when all are over; a failure stops no other.

        A window is not missing when a run of the pipeline with its parameters and instant has succeeded. So the same
        call goes on where one before it was cut short.
        """
        return self.fill(request)

    def fill(self, request: Request, on_progress: Tell | None = None) -> BackfillReport:
        """As `run`; `on_progress` is called with a text, how many windows are over, and how many there are."""
        planned = self._planned(request)
        with self._catalog.write() as tx:
            made = record.begin(tx, request, planned)
        missing = [number for number, (_, _, run) in enumerate(planned) if not run]
        work = _Work(self._catalog, self._start, request, made, [window for window, _, _ in planned])
        try:
            status = work.do(missing, on_progress or (lambda *_: None))
        except BaseException:
            self._end(made, "cancelled")
            raise
        self._end(made, status)
        return self.show(made)

    @verb("read")
    def list(self, pipeline: str = "", limit: int = 20) -> Backfills:
        """The backfills, the newest first; of one pipeline where one is named."""
        with self._catalog.read() as tx:
            return record.listed(tx, pipeline, limit)

    @verb("read")
    def show(self, id: str = "") -> BackfillReport:  # noqa: A002 - the field's word
        """One backfill with its windows, also by a unique beginning of its id; the newest where none is named."""
        with self._catalog.read() as tx:
            found = record.get(tx, id)
            return BackfillReport(**msgspec.structs.asdict(found), windows=record.windows(tx, found.id))

    @verb("write")
    def cancel(self, id: str) -> Backfill:  # noqa: A002 - as above
        """Ask a backfill to end: it begins no more windows, and those under way are cancelled."""
        with self._catalog.write() as tx:
            found = record.get(tx, id)
            record.request_cancel(tx, found.id)
            return found

    def _end(self, made: str, status: str) -> None:
        with self._catalog.write() as tx:
            record.end(tx, made, status)

    def _planned(self, request: Request) -> Sequence[tuple[Window, str, str]]:
        """Each window with its identity and the run that it has, in the order in which they are run."""
        if request.jobs < 1:
            raise UsageError(f"{request.jobs} jobs at a time are none", cause="one is needed", cure="--jobs 1")
        pipeline = self._pipeline(request.pipeline)
        found = self._windows(request, list(pipeline.signature.parameters))
        with self._catalog.read() as tx:
            known = {
                record.identity(name, params, at): run for name, params, at, run in runs.succeeded(tx, pipeline.name)
            }
        planned = []
        for window in reversed(found) if request.newest_first else found:
            params = plain(pipeline.parameters(window.params))
            name = record.identity(pipeline.name, params, window.as_of)
            planned.append((window, name, "" if request.again else known.get(name, "")))
        return planned

    def _windows(self, request: Request, names: Sequence[str]) -> Sequence[Window]:
        found: Sequence[Window] = []
        if request.start is not None and request.end is not None and request.every:
            found = spans.windows(request.start, request.end, request.every)
        elif request.start is not None or request.end is not None or request.every or not request.partition:
            raise UsageError(
                "which windows?",
                cause="a range has a start, an end and a length of its windows",
                cure="mulle backfill PIPELINE --from 2013-01-01 --to 2013-06-01 --every 1d, or --partition flights:day",
            )
        _, _, column = request.partition.partition(":")
        if request.partition:
            found = spans.crossed(found, column, self._values(request.partition))
        return [
            msgspec.structs.replace(each, params=spans.filled(each, request.params, names, column)) for each in found
        ]

    def _values(self, partition: str) -> Sequence[str]:
        """The values of a dataset's column, in the order in which they first occur."""
        dataset, colon, column = partition.partition(":")
        if not (dataset and colon and column):
            raise UsageError(
                f"'{partition}' names no partitions",
                cause="DATASET:COLUMN is needed",
                cure="--partition flights:carrier",
            )
        values = self._data.distinct(dataset, column, spans.MOST)
        if len(values) > spans.MOST:
            raise UsageError(
                f"'{column}' of {dataset} has more than {spans.MOST:,} values",
                cause="it nearly identifies rows",
                cure="a coarser column",
            )
        return [str(value) for value in values if value is not None]


class _Work:
    """The windows of one backfill, run a few at a time."""

    def __init__(self, catalog: Catalog, start: Start, request: Request, made: str, windows: Sequence[Window]) -> None:
        self._catalog = catalog
        self._start = start
        self._request = request
        self._made = made
        self._windows = windows
        self._stopping = threading.Event()
        self._under_way: dict[int, str] = {}
        self._failed = False

    def do(self, missing: Sequence[int], tell: Tell) -> str:
        """Run the windows of these numbers; how it ended."""
        waiting = list(missing)
        going: set[Future[None]] = set()
        threads = ThreadPoolExecutor(self._request.jobs, thread_name_prefix="mulle-backfill")
        try:
            while (waiting and not self._stopping.is_set()) or going:
                while waiting and len(going) < self._request.jobs and not self._stopping.is_set():
                    going.add(threads.submit(contextvars.copy_context().run, self._one, waiting.pop(0)))
                done, going = concurrent.futures.wait(going, _LOOK_SECONDS, concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    future.result()
                tell("windows", len(missing) - len(waiting) - len(going), len(missing))
                self._look()
        except BaseException:
            self._stop()
            concurrent.futures.wait(going, _GRACE_SECONDS)
            raise
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        if self._stopping.is_set():
            return "cancelled"
        return "failed" if self._failed else "succeeded"

    def _look(self) -> None:
        """End when somebody asked for it."""
        with self._catalog.read() as tx:
            asked = record.cancel_requested(tx, self._made)
        if asked and not self._stopping.is_set():
            self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        with self._catalog.write() as tx:
            for run in list(self._under_way.values()):
                runs.request_cancel(tx, run)

    def _one(self, number: int) -> None:
        window = self._windows[number]
        with self._catalog.write() as tx:
            if record.claim(tx, self._made, number, again=self._request.again) != "running":
                return
        began = self._catalog.clock.now()
        try:
            result = self._start(
                self._request.pipeline,
                window.params,
                as_of=window.as_of,
                on_progress=lambda said: self._heard(number, said),
            )
            values = {"run": result.id, "error": result.error}
            values["status"] = "succeeded" if result.status == "succeeded" else "failed"
        except MulleError as error:
            values = {"status": "failed", "run": self._under_way.get(number, ""), "error": str(error)}
        self._under_way.pop(number, None)
        self._failed = self._failed or values["status"] == "failed"
        seconds = (self._catalog.clock.now() - began).total_seconds()
        with self._catalog.write() as tx:
            record.note(tx, self._made, number, seconds=seconds, **values)

    def _heard(self, number: int, said: Progress) -> None:
        """The first word of a run says which it is: pages lead to it while it runs."""
        if number not in self._under_way:
            self._under_way[number] = said.run
            with self._catalog.write() as tx:
                record.note(tx, self._made, number, run=said.run)
