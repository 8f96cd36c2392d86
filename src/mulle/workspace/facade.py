"""The workspace as its users know it: one catalog, one object store, its services, and what goes across."""

# ruff: noqa: PLC0415 - start-up time, as said above

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mulle.types import instant
from mulle.workspace.planes import Planes

if TYPE_CHECKING:
    from mulle.data.model import Version
    from mulle.delivery.backtest.model import BacktestReport
    from mulle.delivery.backtest.service import Policies
    from mulle.delivery.backtest.service import Progress as Tell
    from mulle.delivery.model import TurnReport
    from mulle.pipelines.exports import PartDone
    from mulle.pipelines.model import Forecast, Progress, RunResult
    from mulle.pipelines.sweep import Sweep, Swept
    from mulle.serving import Server
    from mulle.serving.plane import Answer
    from mulle.tuning.automl.search import Step
    from mulle.tuning.automl.spawning import Spawned
    from mulle.tuning.model import Trial, TuneResult
    from mulle.tuning.space import Domain
    from mulle.workspace.automl import Asked, AutoResult
    from mulle.workspace.wheel import Deployed


class Workspace(Planes):
    """Everything that is kept for a project, and the verbs over it.

    Make one with `open` or `create`; use it as a context manager or `close` it.
    """

    def run(
        self,
        pipeline: str = "",
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
        executor: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> RunResult:
        """Run a pipeline of the project; steps whose code and inputs did not change are not executed again.

        A dataset that has a source and no version yet is collected first.

        Args:
            pipeline: its name; a project with one pipeline needs none.
            params: its parameters; text is read as the annotated type.
            as_of: the instant as of which data is read; the data's own watermark by default.
            executor: "process" or "in-process"; what the settings say by default.
            on_progress: called whenever a step changes its state.

        Raises:
            ProjectError: the project does not import, or which pipeline is meant is not clear.
            UsageError: a parameter or the executor is not as it must be.
        """
        return self.pipelines.start(pipeline, params, as_of=as_of, executor=executor, on_progress=on_progress)

    def plan(
        self, pipeline: str = "", params: Mapping[str, Any] | None = None, *, as_of: datetime | str | None = None
    ) -> Forecast:
        """What `run` would do now: for each step whether it would be executed, and what changed since it last was.

        Args:
            pipeline: its name; a project with one pipeline needs none.
            params: its parameters; text is read as the annotated type.
            as_of: the instant as of which data would be read; the data's own watermark by default.

        Raises:
            UsageError: a parameter is not as it must be.
            PipelineError: a dataset that it reads has no version yet.
        """
        return self.pipelines.plan(pipeline, params, None if as_of is None else str(as_of))

    def sweep(
        self,
        pipeline: str = "",
        axes: Mapping[str, Sequence[Any]] | None = None,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
        executor: str | None = None,
        on_run: Callable[[Swept, int, int], None] | None = None,
    ) -> Sweep:
        """Run a pipeline once for each combination of values; steps that several runs share are executed once.

        Args:
            pipeline: its name; a project with one pipeline needs none.
            axes: parameter → its values.
            params: the other parameters, the same for all.
            as_of: the instant as of which data is read; the data's own watermark by default.
            executor: "process" or "in-process"; what the settings say by default.
            on_run: called when a run is over, with how many are and how many there are, in any thread.

        Raises:
            UsageError: a parameter is not as it must be; nothing has run then.
        """
        return self.pipelines.sweep_over(pipeline, axes or {}, params, as_of=as_of, executor=executor, on_run=on_run)

    def tune(
        self,
        pipeline: str = "",
        space: Mapping[str, Domain | str] | None = None,
        *,
        study: str = "",
        executor: str | None = None,
        on_change: Callable[[list[Trial], float], None] | None = None,
        **settings: Any,
    ) -> TuneResult:
        """Search over the parameters of a pipeline; a study that is there goes on.

        Args:
            pipeline: its name; a project with one pipeline needs none.
            space: a domain for each parameter, as "log(0.01,0.3)"; of a study that is declared or there, none.
            study: the study's name; the pipeline's by default.
            executor: what runs the trials' steps; what the settings say by default.
            on_change: called with all trials and the seconds so far whenever a trial changed.
            settings: metric, direction, params, sampler, pruner, seed, trials, timeout (seconds) and jobs, as
                `mulle.study` takes them.

        Raises:
            UsageError: the pipeline does not take what is searched, or a study of that name asks something else.
            TuningError: the metric is never logged, or the first trials all fail alike.
        """
        from mulle.workspace import tuning

        definition = tuning.definition(self, pipeline, space, study, settings)
        chosen = self._executor(executor or self.settings.executor)
        return tuning.tune(self, definition, self._controller, chosen, on_change)

    def step(
        self,
        pipeline: str,
        step: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
        executor: str | None = None,
    ) -> PartDone:
        """Do exactly one step of the run of a key, which something else drives; see `Controller.step`."""
        from mulle.pipelines.exports import done

        named = self.project.one_pipeline(pipeline)
        chosen = None if executor is None else self._executor(executor)
        at = None if as_of is None else instant(as_of)
        return done(self._ready, named, step, key, params or {}, as_of=at, executor=chosen)

    def items(
        self,
        pipeline: str,
        step: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
    ) -> list[str]:
        """The steps that a step's name means in the run of a key; see `Controller.items`."""
        named = self.project.one_pipeline(pipeline)
        return self._ready.items(named, step, key, params, as_of=None if as_of is None else instant(as_of))

    def automl(
        self,
        asked: Asked,
        *,
        on_step: Callable[[Step], None] | None = None,
        began: float | None = None,
        spawned: Sequence[Spawned] = (),
    ) -> AutoResult:
        """Find the best pipeline for a dataset within a budget; see `mulle.workspace.automl.automl`."""
        from mulle.workspace.automl import automl

        return automl(self, asked, on_step, began=began, spawned=spawned)

    def collect(self, dataset: str = "", until: datetime | str | None = None) -> list[Version]:
        """Take in what the sources have: of one dataset, or of all that have a source; up to now by default."""
        definitions = self.project.definitions
        chosen = [definitions.get("dataset", dataset)] if dataset else definitions.all("dataset").values()
        end = self.clock.now() if until is None else instant(until)
        taken = [self.data.collect(one, end) for one in chosen if dataset or one.source is not None]
        return [version for versions in taken for version in versions]

    def deploy(self, name: str, version: int | None = None, reason: str = "", *, force: bool = False) -> Deployed:
        """Put a model version behind an endpoint, through the deployment's gate; see `mulle.workspace.wheel.deploy`."""
        from mulle.workspace import wheel

        return wheel.deploy(self, name, version, reason, force=force)

    def turn(self) -> TurnReport:
        """One turn of the wheel: arrivals, monitors, rollouts, triggers, runs, gates."""
        from mulle.workspace import wheel

        return wheel.turn(self)

    def backtest(
        self,
        name: str = "",
        policies: Policies = ("never", "monthly", "drift"),
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        seed: int = 0,
        on_progress: Tell | None = None,
    ) -> BacktestReport:
        """Replay history under several retraining policies; see `BacktestService.replay`.

        Args:
            name: the deployment; a project with one needs none.
            policies: names, or lists of causes by name.
            start: where the replay begins; a twelfth into history by default.
            end: where it ends; with the data by default.
            seed: of everything random.
            on_progress: called with a text and, where they are known, what is done and how much there is.
        """
        return self.backtests.replay(
            name,
            policies,
            start=None if start is None else instant(start),
            end=None if end is None else instant(end),
            seed=seed,
            on_progress=on_progress,
        )

    def predict(self, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Answer rows in this process by the same data plane as the endpoint's; every answer is logged.

        Raises:
            UnknownNameError: there is no such deployment.
            ServingError: a column is missing, or there are no rows.
        """
        from mulle.workspace.answering import answer

        return answer(self, name, rows)

    def serve(self, name: str | None = None, *, host: str = "127.0.0.1", port: int = 0, workers: int = 1) -> Server:
        """The server of one deployment (of all where none is named); start it with `with` or `.start()`.

        Raises:
            UnknownNameError: there is no such deployment.
            ServingError: the port is in use.
        """
        from mulle.workspace.answering import server

        return server(self, name, host=host, port=port, workers=workers)
