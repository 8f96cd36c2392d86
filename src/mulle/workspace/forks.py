"""The world of a backtest's fork: its own catalog, clock and folder; objects, memo, executor and project are shared."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.data import DataService
from mulle.delivery.world import Collected, NoRequests, Rules, World, instant_for
from mulle.monitoring.service import Learned, Monitoring
from mulle.pipelines import Controller, Memo
from mulle.predictions import PredictionLog, Predictions
from mulle.predictions.labels import KnownLabels
from mulle.registry import Registry
from mulle.serving import Deployments

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.clock import Ids, VirtualClock
    from mulle.delivery.backtest.service import Worlds
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.model import RunResult
    from mulle.registry import ModelVersion
    from mulle.workspace.planes import Planes
    from mulle.workspace.project import Project

_KEPT_LABELS = 32


class Starting:
    """Starts a project's pipelines by name."""

    def __init__(self, controller: Controller, project: Project) -> None:
        self._controller = controller
        self._project = project

    def __call__(self, pipeline: str, *, as_of: datetime | None = None) -> RunResult:
        named = self._project.one_pipeline(pipeline)
        return self._controller.run(named, instant_for(named, as_of), as_of=as_of)


def forks(ws: Planes, executor: Executor) -> Worlds:
    """Makes the worlds of a workspace's forks.

    What monitors learn of a champion, and which labels are known when, is found out once for all of them.
    """
    learned, known = Learned(), KnownLabels(_KEPT_LABELS)
    memo = Memo(ws.catalog)

    def world(catalog: Catalog, clock: VirtualClock, ids: Ids, directory: Path, rules: Rules) -> World:
        del ids
        directory.mkdir(parents=True, exist_ok=True)
        data = DataService(catalog, ws.store, ws.settings.root)
        registry = Registry(catalog, ws.store, ws.signer, ws.root / "tmp" / "bundles", convert=False)
        log = PredictionLog(None, None)
        deployments = Deployments(catalog, registry, directory / "serving", prepare=False, log=log)
        predictions = Predictions(catalog, log, registry, data, deployments.names, known=known)
        controller = Controller(
            catalog=catalog,
            store=ws.store,
            signer=ws.signer,
            workspace=ws.root,
            project=ws.project,
            executor=executor,
            data=data,
            memo=memo,
            resources=ws.settings.resources,
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
            start=Starting(controller, ws.project),
            arrivals=Collected(data, ()),
            requests=NoRequests(),
            stopwatch=_unmeasured,
        )

    return world


def _unmeasured(version: ModelVersion) -> timedelta | None:
    """Latency is not evaluated in virtual time."""
    del version
    return None
