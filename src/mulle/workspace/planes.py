"""The services of a workspace, each made when it is first used, and what they share.

Services are imported where they are made: a command that needs one plane does not pay for the others.
"""

# ruff: noqa: PLC0415 - start-up time, as said above

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from mulle.access import Signer
from mulle.catalog import Catalog
from mulle.catalog.auditing import AuditService
from mulle.catalog.explaining import LineageService
from mulle.clock import Clock, ClockIds, Ids, system_clock
from mulle.config import Settings
from mulle.config import load as load_settings
from mulle.store import LocalStore, ObjectStore
from mulle.workspace import format as disk
from mulle.workspace import project as projects

if TYPE_CHECKING:
    from mulle.data.model import Version
    from mulle.data.remotes import Remotes
    from mulle.data.service import DataService
    from mulle.delivery.backfill.service import BackfillService
    from mulle.delivery.backtest.service import BacktestService
    from mulle.delivery.rollouts import RolloutService
    from mulle.delivery.triggers import TriggerService
    from mulle.features.service import FeatureService
    from mulle.monitoring.service import Monitoring
    from mulle.pipelines import Controller, Pipeline
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.exports import ExportService
    from mulle.pipelines.pipeline_service import PipelineService
    from mulle.pipelines.service import RunService
    from mulle.pipelines.worker import Place
    from mulle.predictions import PredictionLog, Predictions
    from mulle.registry import Registry
    from mulle.resources.service import ResourceService
    from mulle.serving.service import Deployments
    from mulle.tuning.service import StudyService
    from mulle.validation.service import ValidationService


class Planes:
    """The parts of a workspace, wired together."""

    def __init__(self, settings: Settings, catalog: Catalog, store: ObjectStore, clock: Clock, ids: Ids) -> None:
        """Wire an opened catalog and store; forks and tests bring their own, everybody else uses `open`."""
        self.settings = settings
        self.root = settings.workspace
        self.catalog = catalog
        self.store = store
        self.clock = clock
        self.ids = ids

    @classmethod
    def create(cls, path: Path | str = ".", *, clock: Clock | None = None, ids: Ids | None = None) -> Self:
        """Make the workspace of the project at `path`, or open it where it is there.

        Raises:
            ConfigError: there is no `mulle.toml` at or above `path`, or it is malformed.
        """
        settings = load_settings(Path(path))
        root = settings.workspace
        clock = clock or system_clock(settings.behind)
        ids = ids or ClockIds(clock)
        if not disk.made(root):
            disk.make(root, clock, ids)
        return cls._opened(settings, clock, ids)

    @classmethod
    def open(cls, path: Path | str = ".", *, clock: Clock | None = None, ids: Ids | None = None) -> Self:
        """Open the workspace of the project that `path` lies in, making it when the project has none yet.

        Raises:
            ConfigError: there is no `mulle.toml` at or above `path`, or it is malformed.
            CatalogError: the workspace is from a newer mulle, or damaged.
        """
        return cls.create(path, clock=clock, ids=ids)

    @classmethod
    def _opened(cls, settings: Settings, clock: Clock, ids: Ids) -> Self:
        disk.check(settings.workspace)
        catalog = Catalog.open(settings.workspace / "catalog.db", clock, ids)
        return cls(settings, catalog, LocalStore(settings.workspace), clock, ids)

    def close(self) -> None:
        """Let go of files and processes."""
        for executor in self.__dict__.pop("_executors", {}).values():
            executor.close()
        if "features" in self.__dict__:
            self.features.close()
        if "studies" in self.__dict__:
            self.studies.close()
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def project(self) -> projects.Project:
        """The user's project, imported when it is first asked for."""
        return projects.load(self.settings)

    @cached_property
    def signer(self) -> Signer:
        """What this workspace signs its pickles with."""
        return Signer(self.root / "keys")

    @cached_property
    def data(self) -> DataService:
        """Datasets and their versions."""
        from mulle.data.service import DataService

        root, definitions = self.settings.root, self._defined("dataset")
        return DataService(
            self.catalog, self.store, root, definitions=definitions, live=self._live, remotes=self._remotes
        )

    def _remotes(self) -> Remotes:
        from mulle.data.remotes import Remotes

        named, root = self.settings.remotes, self.settings.root
        return Remotes(self.catalog, self.store, named=named, root=root, cache=self.root / "remotes")

    @cached_property
    def validation(self) -> ValidationService:
        """Declared schemas against data."""
        from mulle.validation.service import ValidationService

        return ValidationService(self.data, self._defined("dataset"))

    @cached_property
    def features(self) -> FeatureService:
        """Feature views, offline and online."""
        from mulle.features.online import SqliteOnline
        from mulle.features.service import FeatureService

        online = SqliteOnline(self.root / "online.db")
        views = self._defined("feature_view")
        return FeatureService(self.catalog, self.store, self.data, online, views=views, roots=[self.settings.root])

    @cached_property
    def models(self) -> Registry:
        """Models, versions, aliases."""
        from mulle.registry import Registry

        return Registry(self.catalog, self.store, self.signer, self.root / "tmp" / "bundles")

    @cached_property
    def deployments(self) -> Deployments:
        """Served endpoints, their revisions and traffic."""
        from mulle.serving.service import Deployments

        return Deployments(self.catalog, self.models, self.root / "serving", log=self._log)

    @cached_property
    def predictions(self) -> Predictions:
        """Answers and their truth."""
        from mulle.predictions import Predictions

        return Predictions(self.catalog, self._log, self.models, self.data, self.deployments.names)

    @cached_property
    def monitors(self) -> Monitoring:
        """Standing questions and alerts."""
        from mulle.monitoring.service import Monitoring

        return Monitoring(self.catalog, self.models, self.predictions, self._defined("monitor")())

    @cached_property
    def runs(self) -> RunService:
        """Runs, their steps, metrics, artifacts and logs."""
        from mulle.pipelines.service import RunService

        return RunService(catalog=self.catalog, workspace=self.root)

    @cached_property
    def pipelines(self) -> PipelineService:
        """The project's pipelines: what a run would do, to run them, to sweep over their parameters."""
        from mulle.pipelines.pipeline_service import PipelineService

        return PipelineService(
            catalog=self.catalog,
            project=lambda: self.project,
            controller=lambda: self._controller,
            executor=lambda name: self._executor(name or self.settings.executor),
            prepare=self.take_first_versions,
        )

    @cached_property
    def studies(self) -> StudyService:
        """Searches over parameters and pipelines."""
        from mulle.tuning.service import StudyService

        return StudyService(catalog=self.catalog, workspace=self.root)

    @cached_property
    def resources(self) -> ResourceService:
        """What the machine has, who uses it, who waits, and what it cost."""
        from mulle.resources.service import ResourceService
        from mulle.workspace.answered import answered

        settings = self.settings
        return ResourceService(
            self.catalog,
            settings.resources,
            settings.prices,
            project=settings.project,
            capacity=settings.workers,
            answered=lambda version: answered(self, version),
        )

    @cached_property
    def exports(self) -> ExportService:
        """Pipelines for other workflow engines."""
        from mulle.pipelines.exports import ExportService

        return ExportService(self.settings.root, self._pipeline, lambda: self._ready)

    @cached_property
    def triggers(self) -> TriggerService:
        """What starts pipelines."""
        from mulle.delivery.triggers import TriggerService

        return TriggerService(self.catalog, self._defined("trigger")(), list(self._defined("pipeline")()))

    @cached_property
    def backfills(self) -> BackfillService:
        """Runs for the windows of a range."""
        from mulle.delivery.backfill.service import BackfillService

        return BackfillService(self.catalog, self.data, self.pipelines.start, self._pipeline)

    @cached_property
    def rollouts(self) -> RolloutService:
        """How traffic moves to new versions."""
        from mulle.delivery.rollouts import RolloutService

        return RolloutService(self.catalog, self._defined("deployment")())

    @cached_property
    def backtests(self) -> BacktestService:
        """The production loop replayed over history."""
        from mulle.delivery.backtest.service import BacktestService
        from mulle.workspace.forks import forks

        return BacktestService(
            catalog=self.catalog,
            store=self.store,
            signer=self.signer,
            worlds=forks(self, self._executor(self.settings.executor)),
            definitions=lambda: self.project.definitions,
            scratch=self.root / "tmp",
        )

    @cached_property
    def audit(self) -> AuditService:
        """The ledger."""
        return AuditService(self.catalog)

    @cached_property
    def lineage(self) -> LineageService:
        """Why, and impact."""
        from mulle.workspace.resolving import Resolving

        found = Resolving(self.store, self.data, self.models, self.predictions, self.deployments)
        return LineageService(
            self.catalog,
            canonical=found.canonical,
            prediction=found.prediction,
            contents=found.contents,
            holders=found.holders,
            live=found.live,
        )

    def services(self) -> dict[str, Any]:
        """Every service by the name of its plane: what HTTP and its clients derive their routes from."""
        names = ["data", "validation", "features", "runs", "models", "deployments", "predictions", "monitors"]
        names += ["pipelines", "studies", "exports", "resources"]
        names += ["triggers", "backfills", "rollouts", "backtests", "lineage", "audit"]
        return {service.plane: service for service in (getattr(self, name) for name in names)}

    def take_first_versions(self) -> None:
        """Collect the datasets that have a source and no version yet."""
        for definition in self.project.definitions.all("dataset").values():
            if definition.source is not None and self.data.find_head(definition.name) is None:
                self.data.collect(definition, self.clock.now(), whole=True)

    @cached_property
    def _log(self) -> PredictionLog:
        from mulle.predictions import PredictionLog

        return PredictionLog(self.root / "predictions", self.root / "spool" / "predictions")

    @cached_property
    def _place(self) -> Place:
        from mulle.pipelines.worker import Place

        settings = self.settings
        behind = settings.behind.total_seconds()
        environments = str(settings.environments or "")
        return Place(
            str(settings.root),
            settings.module,
            str(self.root),
            behind=behind,
            cgroup=settings.resources.cgroup,
            environments=environments,
        )

    @cached_property
    def _executors(self) -> dict[str, Executor]:
        return {}

    def _executor(self, name: str) -> Executor:
        from mulle.workspace.executors import make

        if name not in self._executors:
            away = lambda: self._executor("process")  # noqa: E731 - passed on, not named
            self._executors[name] = make(self, name, self._place, away)
        return self._executors[name]

    @cached_property
    def _controller(self) -> Controller:
        from mulle.pipelines import Controller

        return Controller(
            catalog=self.catalog,
            store=self.store,
            signer=self.signer,
            workspace=self.root,
            project=self.project,
            executor=self._executor(self.settings.executor),
            data=_Heads(lambda: self.data),
            resources=self.settings.resources,
        )

    def _pipeline(self, name: str) -> Pipeline[..., Any]:
        return cast("Pipeline[..., Any]", self.project.one_pipeline(name))

    @property
    def _ready(self) -> Controller:
        """The controller, when every dataset with a source has a version."""
        self.take_first_versions()
        return self._controller

    def _live(self) -> Sequence[tuple[str, str]]:
        """The deployments that answer now, each with the revisions that have a share of its traffic."""
        from mulle.workspace.resolving import live

        return live(self.deployments)

    def _defined(self, kind: str) -> Callable[[], Mapping[str, Any]]:
        """The project's definitions of a kind, when they are needed; none where there is no project module."""

        def names() -> Mapping[str, Any]:
            there = projects.module_file(self.settings).exists()
            return self.project.definitions.all(kind) if there else {}

        return names


class _Heads:
    """The datasets' versions; the data plane is loaded when a pipeline reads one."""

    def __init__(self, data: Callable[[], DataService]) -> None:
        self._data = data

    def known_at(self, name: str, as_of: datetime | None) -> Version | None:
        return self._data().known_at(name, as_of)

    def resolve(self, ref: str) -> Version:
        return self._data().resolve(ref)
