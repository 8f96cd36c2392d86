"""Which services a workspace has, by plane: the same here, in the faces and on the other side of a wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mulle.catalog.auditing import AuditService
    from mulle.catalog.explaining import LineageService
    from mulle.data.service import DataService
    from mulle.delivery.backfill.service import BackfillService
    from mulle.delivery.backtest.service import BacktestService
    from mulle.delivery.rollouts import RolloutService
    from mulle.delivery.triggers import TriggerService
    from mulle.features.service import FeatureService
    from mulle.monitoring.service import Monitoring
    from mulle.pipelines.exports import ExportService
    from mulle.pipelines.pipeline_service import PipelineService
    from mulle.pipelines.service import RunService
    from mulle.predictions.service import Predictions
    from mulle.registry.service import Registry
    from mulle.resources.service import ResourceService
    from mulle.serving.service import Deployments
    from mulle.tuning.service import StudyService
    from mulle.validation.service import ValidationService

SERVICES = {
    "data": "mulle.data.service:DataService",
    "validation": "mulle.validation.service:ValidationService",
    "features": "mulle.features.service:FeatureService",
    "runs": "mulle.pipelines.service:RunService",
    "resources": "mulle.resources.service:ResourceService",
    "pipelines": "mulle.pipelines.pipeline_service:PipelineService",
    "models": "mulle.registry.service:Registry",
    "predictions": "mulle.predictions.service:Predictions",
    "deployments": "mulle.serving.service:Deployments",
    "monitors": "mulle.monitoring.service:Monitoring",
    "studies": "mulle.tuning.service:StudyService",
    "exports": "mulle.pipelines.exports:ExportService",
    "triggers": "mulle.delivery.triggers:TriggerService",
    "backfills": "mulle.delivery.backfill.service:BackfillService",
    "rollouts": "mulle.delivery.rollouts:RolloutService",
    "backtests": "mulle.delivery.backtest.service:BacktestService",
    "lineage": "mulle.catalog.explaining:LineageService",
    "audit": "mulle.catalog.auditing:AuditService",
}
"""Where the class of each plane's service is; loaded when the plane is first used."""


class Planes:
    """The services of a workspace by plane, whether they are here or on a server."""

    data: DataService
    validation: ValidationService
    features: FeatureService
    runs: RunService
    resources: ResourceService
    pipelines: PipelineService
    models: Registry
    predictions: Predictions
    deployments: Deployments
    monitors: Monitoring
    studies: StudyService
    exports: ExportService
    triggers: TriggerService
    backfills: BackfillService
    rollouts: RolloutService
    backtests: BacktestService
    lineage: LineageService
    audit: AuditService
