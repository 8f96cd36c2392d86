"""What turns the wheel in a real workspace: the world of a turn, deploying by hand, the process that keeps turning."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from mulle import flavors
from mulle.delivery.declare import DeploymentDefinition
from mulle.delivery.gate import CheckResult
from mulle.delivery.gating import judge_version
from mulle.delivery.turn import turn as one_turn
from mulle.delivery.world import Collected, NoRequests, Requests, Rules, World, instant_for
from mulle.errors import DeliveryError, MulleError
from mulle.flavors.engines import load_engine
from mulle.verbs import acting

if TYPE_CHECKING:
    from mulle.delivery.model import TurnReport
    from mulle.flavors.predictor import Predictor
    from mulle.pipelines.model import RunResult
    from mulle.registry import ModelVersion
    from mulle.workspace.facade import Workspace

_TIMED_ROWS = 300
_PASSES = 5


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a wish to deploy: the gate's checks, and the revision that serves where it passed.

    `forced` says that the gate refused and was overruled; `passed` is then true all the same: it serves.
    """

    deployment: str
    model: str
    champion: str
    passed: bool
    reason: str
    checks: list[CheckResult]
    revision: int | None
    forced: bool = False


def world(ws: Workspace, *, requests: Requests | None = None, rules: Rules | None = None) -> World:
    """The ports of a turn in this workspace: its own clock, catalog and sources."""
    definitions = ws.project.definitions
    return World(
        catalog=ws.catalog,
        clock=ws.clock,
        rules=rules if rules is not None else Rules.of(definitions),
        data=ws.data,
        registry=ws.models,
        deployments=ws.deployments,
        predictions=ws.predictions,
        monitors=ws.monitors,
        start=_Starting(ws),
        arrivals=Collected(ws.data, list(definitions.all("dataset").values())),
        requests=requests or NoRequests(),
        stopwatch=lambda version: latency_p99(ws, version),
    )


class _Starting:
    """Starts the project's pipelines by name."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws

    def __call__(self, pipeline: str, *, as_of: datetime | None = None) -> RunResult:
        named = self._ws.project.one_pipeline(pipeline)
        return self._ws.run(pipeline, instant_for(named, as_of), as_of=as_of)


def turn(ws: Workspace) -> TurnReport:
    """One turn of the wheel, now; online features follow the data that arrived and the models that serve."""
    made = one_turn(world(ws))
    if made.arrived or made.moves:
        materialize_all(ws)
    return made


def materialize_all(ws: Workspace) -> None:
    """Bring every feature view's online values up to what was collected."""
    for name, view in ws.project.definitions.all("feature_view").items():
        if ws.data.find_head(view.source.name) is not None:
            ws.features.materialize(name)


def latency_p99(ws: Workspace, version: ModelVersion) -> timedelta | None:
    """The 99th percentile of one-row predictions by the engine that would serve; None without rows to ask with."""
    bundle, engine = ws.models.bundle_directory(version), ws.models.engine_directory(version)
    report = ws.models.report(version)
    names = [field.name for field in version.signature]
    if report is None or not set(names) <= set(report.rows.columns):
        return None
    predictor = load_engine(bundle, engine, ws.signer)
    rows = report.rows.select(names).head(_TIMED_ROWS)
    signature = flavors.Signature(version.signature, [])
    singles = [flavors.columns_of(rows.slice(place, 1), signature) for place in range(rows.height)]
    # of each row the fastest time: what else the machine was doing is not the model's doing
    took = sorted(min(_seconds(predictor, one) for _ in range(_PASSES)) for one in singles)
    return timedelta(seconds=took[int(len(took) * 0.99)]) if took else None


def _seconds(predictor: Predictor, columns: Any) -> float:
    began = time.perf_counter()
    predictor.predict(columns, 1)
    return time.perf_counter() - began


def deploy(ws: Workspace, name: str, version: int | None = None, reason: str = "", *, force: bool = False) -> Deployed:
    """Put a version of the deployment's model behind the endpoint, if its gate passes; all traffic moves at once.

    A version that served before passed its gate then, and is not judged again. The rollout in stages is for the
    versions that triggers train; the wheel moves those.

    Args:
        ws: the workspace.
        name: a deployment that the project defines.
        version: of its model; the newest by default.
        reason: for the ledger.
        force: deploy although the gate refuses; the ledger says so.

    Raises:
        UnknownNameError: the project defines no such deployment, or its model has no such version.
    """
    definition: DeploymentDefinition = ws.project.definitions.get("deployment", name)
    candidate = _candidate(ws, definition, version)
    champion = _champion(ws, name)
    before = _revision_of(ws, name, candidate.ref)
    checks: list[CheckResult] = []
    passed, said = True, "it served before" if before is not None else ""
    if before is None:
        verdict = judge_version(world(ws), definition, candidate, champion)
        checks, passed, said = verdict.checks, verdict.passed, verdict.reason
    revision = None
    if passed or force:
        materialize_all(ws)  # before the first request: one that names only its entities finds its features
        with acting(reason=reason or said, verb="deployments.deploy"):
            revision = ws.deployments.deploy(name, candidate.ref, reason=reason or said).number
            current = ws.models.alias(candidate.name)
            if current is None or current.number != candidate.number:
                ws.models.promote(candidate.name, candidate.number, "champion", reason=reason or said)
    return Deployed(
        deployment=name,
        model=candidate.ref,
        champion=champion.ref if champion is not None else "",
        passed=passed or force,
        reason=said,
        checks=checks,
        revision=revision,
        forced=force and not passed,
    )


def _candidate(ws: Workspace, definition: DeploymentDefinition, version: int | None) -> ModelVersion:
    known = {one.name for one in ws.models.list()}
    if definition.model not in known:
        raise DeliveryError(
            f"the model '{definition.model}' has no version yet",
            cause=f"deployment '{definition.name}' serves it",
            cure="mulle run",
        )
    return ws.models.show(definition.model if version is None else f"{definition.model}@{version}")


def _champion(ws: Workspace, name: str) -> ModelVersion | None:
    if name not in ws.deployments.names():
        return None
    shown = ws.deployments.show(name)
    return ws.models.show(shown.live.model_ref) if shown.active else None


def _revision_of(ws: Workspace, name: str, ref: str) -> int | None:
    if name not in ws.deployments.names():
        return None
    return next((one.number for one in ws.deployments.show(name).revisions if one.model_ref == ref), None)


def keep_turning(
    ws: Workspace,
    stopped: Callable[[float], bool],
    *,
    longest: float = 2.0,
    tell: Callable[[MulleError | None], None] = lambda _: None,
) -> None:
    """Turn until `stopped(seconds)` says so; it waits that long. A turn that fails is told, and taken again.

    Args:
        ws: the workspace.
        stopped: waits for up to the given seconds; True ends the loop.
        longest: seconds between turns, for what comes without a schedule: predictions, labels, demands.
        tell: called after every turn with what made it fail, if it did.
    """
    pause = 0.0
    while not stopped(pause):
        try:
            wake = turn(ws).wake
            pause = longest if wake is None else max(0.05, min(longest, _until(ws, wake)))
            failure = None
        except MulleError as error:
            print(error, flush=True)  # noqa: T201 - the process's log
            failure = error
        except Exception as error:  # noqa: BLE001 - a source is the project's own code, and may raise anything
            traceback.print_exc()
            failure = MulleError(f"{type(error).__name__}: {error}", cause="the server's log has the traceback")
        if failure is not None:
            pause = longest * 5
        tell(failure)


def _until(ws: Workspace, wake: datetime) -> float:
    return (wake - ws.clock.now()).total_seconds()
