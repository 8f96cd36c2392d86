"""Starts runs: traces the pipeline, fixes what it reads and as of when, and lets a driver bring it to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mulle.config.resources import ResourcesSection, checked
from mulle.errors import PipelineError
from mulle.hashing import sources
from mulle.pipelines import graph as graphs
from mulle.pipelines import journal, pinning, values
from mulle.pipelines.describing import plain
from mulle.pipelines.driver import Driver
from mulle.pipelines.foresight import foresee
from mulle.pipelines.keys import Codes, Inputs
from mulle.pipelines.mapping import expanded
from mulle.pipelines.memo import Memo
from mulle.pipelines.plan import Plan, Trialling
from mulle.pipelines.task import Reading
from mulle.pipelines.values import Shelf
from mulle.resources.admission import Admission
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.access import Signer
    from mulle.catalog import Catalog
    from mulle.config.resources import Resources
    from mulle.data.model import Version
    from mulle.data.partitions import Partition, Partitions
    from mulle.definitions import Definitions
    from mulle.pipelines.definition import Pipeline
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.model import Forecast, Progress, RunResult, StepRun, ValueRef
    from mulle.store import ObjectStore

_TIMELESS = datetime(1970, 1, 1, tzinfo=UTC)
"""As of when rows without event times are read: the same always, so that the memo knows them again."""


class Project(Protocol):
    """The user's project, as far as running it needs to know."""

    @property
    def name(self) -> str:
        """Its name, under which it takes its share of the machine."""

    @property
    def root(self) -> Path:
        """Its folder."""

    @property
    def digest(self) -> Digest:
        """Its version."""

    @property
    def definitions(self) -> Definitions:
        """What it defines."""


class Heads(Protocol):
    """Where the newest versions of datasets are asked for. `DataService` is one."""

    def known_at(self, name: str, as_of: datetime | None) -> Version | None:
        """The newest version that goes no further than an instant; None where nothing was ever committed."""

    def resolve(self, ref: str) -> Version:
        """The version of a reference (`flights@3`)."""


class Controller:
    """Runs pipelines of one project in one workspace. Safe to use from several threads and processes at once."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: ObjectStore,
        signer: Signer,
        workspace: Path,
        project: Project,
        executor: Executor,
        data: Heads,
        memo: Memo | None = None,
        resources: Resources | None = None,
    ) -> None:
        """Wire a controller.

        Args:
            catalog: where runs are recorded; its clock is the domain time.
            store: where values are kept.
            signer: signs values that are pickles.
            workspace: the workspace's folder, for logs, the spool and scratch files.
            project: whose pipelines are run.
            executor: what runs the steps.
            data: where datasets are.
            memo: the memo to use; the catalog's own by default. A fork passes the one of the catalog it came from.
            resources: pools, queues and quotas; by default the whole machine for whoever comes.
        """
        self._catalog = catalog
        self._shelf = Shelf(store, signer, workspace / "tmp")
        self._workspace = workspace
        self._project = project
        self._executor = executor
        self._data = data
        self._resources = resources or checked(ResourcesSection())
        self._memo = memo or Memo(catalog)
        sources.remember([project.root])

    def run(
        self,
        pipeline: Pipeline[..., Any],
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        executor: Executor | None = None,
        trial: Trialling | None = None,
    ) -> RunResult:
        """Run a pipeline; steps whose code and inputs are known to the memo are adopted, not executed.

        A failed step makes a result with the status "failed"; `RunResult.check` raises it.

        Args:
            pipeline: what to run.
            params: its parameters; text is read as the annotated type.
            as_of: the instant as of which data is read, from the newest versions that go no further; by default the
                watermark of what is learned from, on the heads.
            on_progress: called whenever a step changes its state, in this thread.
            executor: runs the steps of this run instead of the controller's own.
            trial: set where the run is a trial of a study: it registers and commits nothing, and may be pruned.

        Raises:
            UsageError: a parameter is missing, unknown or of another type.
            PipelineError: the pipeline cannot be traced, or a dataset that it reads has no version.
        """
        plan = self._plan(pipeline, params or {}, as_of, trial)
        return self._driver(plan, executor).drive(on_progress)

    def foresee(
        self, pipeline: Pipeline[..., Any], params: Mapping[str, Any] | None = None, *, as_of: datetime | None = None
    ) -> Forecast:
        """What `run` would do now, and why; nothing runs.

        Args:
            pipeline: what would be run.
            params: its parameters.
            as_of: the instant as of which data would be read.

        Raises:
            UsageError: a parameter is missing, unknown or of another type.
            PipelineError: the pipeline cannot be traced, or a dataset that it reads has no version.
        """
        plan = self._plan(pipeline, params or {}, as_of)
        with self._memo.catalog.read() as tx:
            return foresee(plan, tx, self._shelf)

    def step(
        self,
        pipeline: Pipeline[..., Any],
        step: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
        executor: Executor | None = None,
    ) -> tuple[RunResult, list[StepRun]]:
        """Do exactly one step of a run that somebody else drives, step by step; the steps before it must be done.

        The first call under a key begins the run and fixes what it reads; memo and digests are those of `run`. A step
        that is done already is not done again; one that failed is tried once more, once.

        Args:
            pipeline: whose step it is.
            step: its name; that of a mapped step means all of its items.
            key: names the run, the same for all of its steps.
            params: the pipeline's parameters, the same for all steps of the run.
            as_of: as for `run`, the same for all steps of the run.
            executor: runs the step instead of the controller's own.

        Returns:
            How it went, and the step run (of a mapped step: those of its items).

        Raises:
            UsageError: the key was used for another pipeline, parameters or instant.
            UnknownNameError: the pipeline has no such step.
            PipelineError: a step whose output it takes is not done.
        """
        plan, part = self._pinned(pipeline, key, params or {}, as_of, step)
        result = self._driver(plan, executor, part).drive(None)
        with self._catalog.read() as tx:
            return result, [row for row in journal.steps(tx, part.pin.run) if part.means(row.name)]

    def items(
        self,
        pipeline: Pipeline[..., Any],
        step: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> list[str]:
        """The steps that a step's name means in the run of a key: of a mapped one, a step for each item, in order."""
        plan, part = self._pinned(pipeline, key, params or {}, as_of, step)
        driver = self._driver(plan, None, replace(part, step=""))
        driver.drive(None)
        return [name for name in driver.names() if part.means(name)]

    def _pinned(
        self, pipeline: Pipeline[..., Any], key: str, params: Mapping[str, Any], as_of: datetime | None, step: str
    ) -> tuple[Plan, pinning.Part]:
        """The plan of the run of a key, which begins with the first call, and what is a step's of it."""
        with self._catalog.read() as tx:
            pin = pinning.find(tx, key)
        if pin is None:
            pin = self._begin(key, self._plan(pipeline, params, as_of))
        traced = graphs.trace(pipeline, params)
        pinning.check(pin, pipeline.name, plain(traced.params), as_of)
        heads = {name: self._data.resolve(ref) for name, ref in pin.heads.items()}
        plan = self._plan(pipeline, params, pin.as_of, heads=heads)
        names = [node.name for node in [*traced.nodes, *plan.graph.nodes]]
        with self._catalog.read() as tx:
            return plan, pinning.part(tx, pin, names, step)

    def _begin(self, key: str, plan: Plan) -> pinning.Pin:
        pin = pinning.Pin(
            key=key,
            run="",
            pipeline=plan.graph.pipeline,
            params=plain(plan.graph.params),
            as_of=plan.as_of,
            heads={name: head.ref for name, head in plan.heads.items()},
            project_version=plan.project_version,
        )
        with self._catalog.write() as tx:
            return pinning.fix(tx, pin, plan.graph)

    def _driver(self, plan: Plan, executor: Executor | None, part: pinning.Part | None = None) -> Driver:
        executor = executor or self._executor
        return Driver(
            plan,
            catalog=self._catalog,
            known=self._memo,
            shelf=self._shelf,
            workspace=self._workspace,
            executor=executor,
            admission=Admission(self._resources, self._project.name, capacity=executor.capacity + executor.ahead),
            part=part,
        )

    def _plan(
        self,
        pipeline: Pipeline[..., Any],
        params: Mapping[str, Any],
        as_of: datetime | None,
        trial: Trialling | None = None,
        *,
        heads: Mapping[str, Version] | None = None,
    ) -> Plan:
        """All that is fixed when a run begins; the versions that are read are the newest where none are given."""
        traced = graphs.trace(pipeline, params)
        heads = self._heads(traced, as_of) if heads is None else heads
        traced = expanded(traced, lambda asked: self._split(heads[asked.source.name], asked))
        if trial is not None:
            traced.nodes = [node for node in traced.nodes if node.kind != "effect"]
        as_of = as_of or _watermark(traced, heads)
        codes = Codes([self._project.root])
        inputs = Inputs(self._shelf, codes, heads)
        for node in traced.nodes:
            if node.step is not None:
                codes.of(node.step.function)
                codes.settings(node.step.options)
                inputs.keep(node)
        return Plan(
            graph=traced,
            heads=heads,
            as_of=as_of,
            codes=codes,
            inputs=inputs,
            readings={n.name: _reading(n, heads, as_of) for n in traced.nodes if n.kind == "training_set"},
            project_version=self._project.digest,
            root=self._project.root,
            experiment="" if trial is None else trial.experiment,
            line=None if trial is None else trial.line,
        )

    def value(self, ref: ValueRef) -> Any:
        """The value of an output."""
        return values.decode(ref, self._shelf)

    def _split(self, version: Version, asked: Partitions) -> list[Partition]:
        from mulle.data.splitting import split  # noqa: PLC0415 - start-up time: polars

        return split(self._catalog, self._shelf.store, version, asked)

    def _heads(self, traced: graphs.Graph, as_of: datetime | None) -> dict[str, Version]:
        found: dict[str, Version] = {}
        for dataset in traced.datasets():
            head = self._data.known_at(dataset.name, as_of)
            if head is None:
                raise PipelineError(
                    f"the dataset '{dataset.name}' has no version yet",
                    cause=f"the pipeline '{traced.pipeline}' reads it",
                    cure=f"mulle data collect {dataset.name}",
                )
            found[dataset.name] = head
        return found


def _watermark(traced: graphs.Graph, heads: Mapping[str, Version]) -> datetime | None:
    """Up to when what is learned from is known; of several training sets, the earliest."""
    names = [node.arguments["dataset"].name for node in traced.nodes if node.kind == "training_set"]
    marks = [mark for name in names or heads if (mark := heads[name].watermark) is not None]
    return min(marks, default=None)


def _reading(node: graphs.Node, heads: Mapping[str, Version], as_of: datetime | None) -> Reading:
    dataset, views = node.arguments["dataset"], node.arguments["views"]
    if dataset.event_time is None:
        as_of = _TIMELESS
    if as_of is None:
        raise PipelineError(
            f"it is not known up to when '{dataset.name}' goes",
            cause="its version has no watermark",
            cure="pass an instant: mulle run --as-of INSTANT",
        )
    window: timedelta = node.arguments["window"]
    sources: dict[str, str] = {
        name: heads[name].digest for name in [dataset.name, *(view.source.name for view in views)]
    }
    return Reading(dataset.name, [view.name for view in views], window.total_seconds(), as_of, sources)
