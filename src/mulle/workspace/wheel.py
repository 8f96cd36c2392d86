"""The ports that the wheel turns in: those of a workspace, and those of a backtest's fork of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mulle.data import DataService
from mulle.delivery.world import Collected, NoRequests, Rules, World
from mulle.monitoring.service import Learned, Monitoring
from mulle.pipelines import Controller, Memo
from mulle.predictions import PredictionLog, Predictions
from mulle.registry import Registry
from mulle.serving import Deployments

if TYPE_CHECKING:
    from mulle.access import Signer
    from mulle.catalog import Catalog
    from mulle.clock import Ids, VirtualClock
    from mulle.delivery.backtest.service import Worlds
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.model import RunResult
    from mulle.registry import ModelVersion
    from mulle.store import ObjectStore
    from mulle.workspace.project import Project


class Parts(Protocol):
    """What of a workspace a fork shares with it."""

    root: Path
    catalog: Catalog
    store: ObjectStore

    @property
    def project(self) -> Project:
        """Whose pipelines run."""

    @property
    def signer(self) -> Signer:
        """Vouches for its pickles."""


class Starting:
    """Starts a project's pipelines by name."""

    def __init__(self, controller: Controller, project: Project) -> None:
        self._controller = controller
        self._project = project

    def __call__(self, pipeline: str) -> RunResult:
        return self._controller.run(self._project.one_pipeline(pipeline))


def forks(workspace: Parts, executor: Executor) -> Worlds:
    """Makes the world of a fork: its own catalog, clock and folder; objects, memo, executor and project are shared."""
    learned = Learned()
    memo = Memo(workspace.catalog)

    def world(catalog: Catalog, clock: VirtualClock, ids: Ids, directory: Path, rules: Rules) -> World:
        del ids
        directory.mkdir(parents=True, exist_ok=True)
        data = DataService(catalog, workspace.store, workspace.project.root)
        registry = Registry(
            catalog, workspace.store, workspace.signer, workspace.root / "tmp" / "bundles", convert=False
        )
        deployments = Deployments(catalog, registry, directory / "serving", prepare=False)
        log = PredictionLog(directory / "predictions", directory / "spool", durable=False)
        predictions = Predictions(catalog, log, registry, data, deployments.names)
        controller = Controller(
            catalog=catalog,
            store=workspace.store,
            signer=workspace.signer,
            workspace=workspace.root,
            project=workspace.project,
            executor=executor,
            data=data,
            memo=memo,
        )
        return World(
            catalog=catalog,
            clock=clock,
            rules=rules,
            data=data,
            registry=registry,
            deployments=deployments,
            predictions=predictions,
            monitors=Monitoring(catalog, registry, predictions, rules.monitors, learned),
            start=Starting(controller, workspace.project),
            arrivals=Collected(data, ()),
            requests=NoRequests(),
            stopwatch=_unmeasured,
        )

    return world


def _unmeasured(version: ModelVersion) -> timedelta | None:
    del version
    return None
