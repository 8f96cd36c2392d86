"""Works at a study: one trial after the other, several at once, each a run of the pipeline."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mulle.errors import MulleError, TuningError, UsageError
from mulle.pipelines.plan import Trialling
from mulle.resources.process import lives, this_process
from mulle.tracking import runs
from mulle.tuning.facts import Joined, Left, Ran, Returned
from mulle.tuning.listening import Listener
from mulle.tuning.measuring import MissingMetricError, told_on_the_way, values_of
from mulle.tuning.model import OVER, Trial, TuneResult

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.clock import Clock
    from mulle.pipelines import Controller, Pipeline
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.model import Progress, RunResult
    from mulle.tuning.log import StudyLog
    from mulle.tuning.model import Study
    from mulle.tuning.search import Asked, Search
    from mulle.tuning.service import StudyService

Ending = Literal["trials", "timeout", "asked", "space"]
Changed = Callable[["list[Trial]", float], None]
"""Told whenever a trial changed: all trials by number, and the seconds so far."""

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 30.0
_SAME_FAILURES = 3


@dataclass(frozen=True)
class Limits:
    """How long a process works at a study."""

    trials: int
    timeout: float | None
    jobs: int


@dataclass(frozen=True)
class _Work:
    """What one process's work at a study has at hand."""

    search: Search
    log: StudyLog
    listener: Listener
    stops: int
    began: float


class Tuner:
    """One process's work at a study. Used once."""

    def __init__(
        self,
        study: Study,
        *,
        studies: StudyService,
        catalog: Catalog,
        controller: Controller,
        pipeline: Pipeline[..., Any],
        executor: Executor,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._study = study
        self._studies = studies
        self._catalog = catalog
        self._controller = controller
        self._pipeline = pipeline
        self._executor = executor
        self._clock = clock
        self._limits = limits
        self._running: dict[int, str] = {}
        """Trials of this process, each with its run once it has one."""
        self._cancelled: set[str] = set()
        self._ending: Ending | None = None
        self._failure: BaseException | None = None
        self._lock = threading.Lock()

    def tune(self, on_change: Changed | None = None) -> TuneResult:
        """Run trials until the study has as many as it was to have, time is over, or somebody stops it.

        Raises:
            TuningError: the metric is never logged, or the first trials all fail alike.
        """
        from mulle.tuning.search import Search  # noqa: PLC0415 - optional, and slow to import

        began, study = time.monotonic(), self._study
        log = self._studies.log(study.name)
        with contextlib.closing(log):
            search = Search(study.name, log, study.question, study.manner, self._clock, most=self._limits.trials)
            log.append(Joined(this_process()))
            listener = Listener(search.heard, getattr(self._executor, "host", "127.0.0.1"))
            try:
                self._work(_Work(search, log, listener, log.history.stops, began), on_change)
            finally:
                listener.close()
                _give_back(log, self._running)
                log.append(Left(this_process()))
        self._studies.take_over(study.name)
        if self._failure is not None:
            raise self._failure
        full = search.size <= self._limits.trials
        ending: Ending = self._ending or ("space" if full else "trials")
        trials = self._studies.trials(study.name, limit=1_000_000)
        found = self._studies.show(study.name)
        return TuneResult(study=found, trials=trials, stopped=ending, seconds=time.monotonic() - began)

    # -- the work ----------------------------------------------------------------------------------------------------

    def _work(self, work: _Work, on_change: Changed | None) -> None:
        pool = ThreadPoolExecutor(self._limits.jobs, thread_name_prefix="trial")
        working = {
            pool.submit(contextvars.copy_context().run, self._keep_trying, work) for _ in range(self._limits.jobs)
        }
        seen = -1
        try:
            while working:
                done, working = wait(working, _POLL_SECONDS, FIRST_COMPLETED)
                self._note_failures(done)
                if self._ending is None:
                    self._ending = self._due(work)
                if self._ending is not None or self._failure is not None:
                    self._cancel()
                if work.log.end != seen:
                    seen = work.log.end
                    self._studies.take_over(self._study.name)
                    if on_change is not None:
                        with work.log.lock:
                            now = [attempt.record() for attempt in work.log.history.attempts]
                        on_change(now, time.monotonic() - work.began)
        except BaseException:
            self._ending = self._ending or "asked"
            self._cancel()
            wait(working, _GRACE_SECONDS)
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _keep_trying(self, work: _Work) -> None:
        """One trial after the other, until there is none left or the work is to end."""
        while self._ending is None and self._failure is None:
            _take_back(work.log)
            with self._lock:
                asked = work.search.ask()
                if asked is None:
                    return
                self._running[asked.number] = ""
            self._try(asked, work)
            with self._lock:
                self._running.pop(asked.number, None)

    def _try(self, asked: Asked, work: _Work) -> None:
        question, log, search = self._study.question, work.log, work.search

        def progress(now: Progress) -> None:
            if not self._running.get(asked.number):
                log.append(Ran(asked.number, now.run))
                self._running[asked.number] = now.run

        trial = Trialling(self._study.name, work.listener.line(asked.number, question.metrics[0]))
        params = {**question.params, **asked.params}
        try:
            result = self._controller.run(
                self._pipeline, params, executor=self._executor, on_progress=progress, trial=trial
            )
            self._conclude(asked.number, result, work)
        except MissingMetricError as error:
            search.failed(asked.number, str(error))
            if not self._any_complete(log):
                self._failure = error
        except MulleError as error:
            search.failed(asked.number, str(error))
            self._look_for_pattern(log, error)

    def _conclude(self, number: int, result: RunResult, work: _Work) -> None:
        question, log, search = self._study.question, work.log, work.search
        if result.pruned:
            search.pruned(number)
        elif result.status == "succeeded":
            values = values_of(self._catalog, self._controller.value, result, question.metrics)
            known = log.history.attempts[number].reports
            if not known and len(question.metrics) == 1:  # its steps were adopted: what they told then is told now
                for step, value in told_on_the_way(self._catalog, result.id, question.metrics[0]):
                    search.heard(number, step, value)
            search.complete(number, values)
        elif result.status == "cancelled" and self._ending is not None:
            search.give_back(number)
        else:
            failure = result.failure or {}
            search.failed(number, failure.get("error") or result.error or f"its run was {result.status}")
            self._look_for_pattern(
                log,
                TuningError(failure.get("error", result.error), cause=failure.get("cause"), cure=failure.get("cure")),
            )

    # -- its end -----------------------------------------------------------------------------------------------------

    def _due(self, work: _Work) -> Ending | None:
        work.log.refresh()
        if work.log.history.stops > work.stops:
            return "asked"
        timeout = self._limits.timeout
        return "timeout" if timeout is not None and time.monotonic() - work.began >= timeout else None

    def _cancel(self) -> None:
        """Ask the runs of this process to end; each is asked once."""
        with self._lock:
            asked = [run for run in self._running.values() if run and run not in self._cancelled]
            self._cancelled.update(asked)
        if not asked:
            return
        with self._catalog.write() as tx:
            for run in asked:
                runs.request_cancel(tx, run)

    def _note_failures(self, done: set[Future[None]]) -> None:
        for future in done:
            error = future.exception()
            if error is not None:
                self._failure = self._failure or error

    def _any_complete(self, log: StudyLog) -> bool:
        return any(attempt.status in {"complete", "pruned"} for attempt in log.history.attempts)

    def _look_for_pattern(self, log: StudyLog, error: MulleError) -> None:
        """A study whose first trials all fail in the same way asks something that cannot be."""
        with log.lock:
            over = [attempt for attempt in log.history.attempts if attempt.over]
        if len(over) < _SAME_FAILURES or any(attempt.status != "failed" for attempt in over):
            return
        if len({attempt.error.splitlines()[0] if attempt.error else "" for attempt in over}) == 1:
            self._failure = TuningError(
                f"the first {len(over)} trials all failed: {error.message}",
                cause=error.cause,
                cure=error.cure or f"mulle studies show {self._study.name}",
            )


def _take_back(log: StudyLog) -> None:
    """Let the trials of processes that are gone wait again."""
    with log.lock:
        log.decide(
            lambda history: [
                Returned(one.number)
                for one in history.attempts
                if one.status == "running" and one.process is not None and not lives(one.process)
            ]
        )


def _give_back(log: StudyLog, running: Mapping[int, str]) -> None:
    """What this process began and does not finish waits for the next one."""
    with log.lock:
        log.decide(lambda history: [Returned(n) for n in running if history.attempts[n].status not in OVER])


def check_space(pipeline: Pipeline[..., Any], space: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Refuse a space whose names or values the pipeline does not take, before anything runs.

    Raises:
        UsageError: a parameter is unknown, of another type, or both searched and given.
    """
    from mulle.tuning.space import Choice  # noqa: PLC0415 - used here only

    both = set(space) & set(params)
    if both:
        raise UsageError(
            f"'{min(both)}' is both searched and given",
            cause="--space and --param name it",
            cure="leave one of the two out",
        )
    ends = {name: list(d.options) if isinstance(d, Choice) else [d.low, d.high] for name, d in space.items()}
    for place in range(max(len(values) for values in ends.values())):
        pipeline.parameters({**params, **{name: values[place % len(values)] for name, values in ends.items()}})
