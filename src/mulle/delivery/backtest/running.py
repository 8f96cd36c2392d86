"""One policy's wheel through history: the turn of production, again and again, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from mulle.delivery.backtest.answering import ReplayedRequests
from mulle.delivery.backtest.history import ReplayedArrivals
from mulle.delivery.backtest.measuring import hits_of, scores_of
from mulle.delivery.backtest.model import Happening
from mulle.delivery.tables import rollout
from mulle.delivery.turn import turn
from mulle.errors import DeliveryError
from mulle.pipelines.model import RunResult
from mulle.registry import Registry
from mulle.tracking import runs

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.clock import VirtualClock
    from mulle.delivery.backtest.history import Timeline
    from mulle.delivery.backtest.questions import Answers
    from mulle.delivery.declare import DeploymentDefinition
    from mulle.delivery.model import TurnReport
    from mulle.delivery.world import Starter, World

SOONEST = timedelta(minutes=1)
_ALL = 1_000_000


@dataclass(frozen=True)
class Stage:
    """What all policies of one backtest share."""

    deployment: DeploymentDefinition
    pipeline: str
    task: str
    start: datetime
    end: datetime
    seed: int
    timelines: Mapping[str, Timeline]
    answers: Answers
    base: Catalog
    folder: Path


@dataclass
class Lived:
    """What a policy's year left behind. `scores` go into `Weeks`; `trainings` are CPU seconds by what was trained."""

    scores: npt.NDArray[np.float64]
    answered: int = 0
    retrainings: int = 0
    promotions: int = 0
    rollbacks: int = 0
    alerts: int = 0
    champion_as_of: datetime | None = None
    cpu_seconds: float = 0.0
    events: list[Happening] = field(default_factory=list)
    trainings: dict[str, float] = field(default_factory=dict)


class Meter:
    """A starter that remembers what each run's steps cost, whoever paid for them."""

    def __init__(self, start: Starter, registry: Registry) -> None:
        self._start = start
        self._registry = registry
        self.total = 0.0
        self.trainings: dict[str, float] = {}

    def __call__(self, pipeline: str, *, as_of: datetime | None = None) -> RunResult:
        result = self._start(pipeline, as_of=as_of)
        cost = sum(step.worth for step in result.steps)
        bundles = [self._registry.show(ref).bundle for ref in result.model_versions]
        self.trainings["+".join(bundles) or f"{pipeline} {result.as_of}"] = cost
        self.total += cost
        return result


class Life:
    """One policy's wheel, turned until the end.

    The world is a fork's; clock, arrivals and requests are replaced, nothing else.
    """

    def __init__(self, world: World, clock: VirtualClock, stage: Stage) -> None:
        self._clock = clock
        self._stage = stage
        self._meter = Meter(world.start, world.registry)
        name = stage.deployment.name
        arrivals = ReplayedArrivals(world.data, stage.timelines)
        requests = ReplayedRequests(name, world.deployments, world.predictions, stage.answers)
        self._world = replace(world, arrivals=arrivals, requests=requests, start=self._meter, stopwatch=unmeasured)
        self._lived = Lived(np.zeros(0))

    @property
    def now(self) -> datetime:
        """How far it has come."""
        return self._clock.now()

    def turn(self) -> bool:
        """Turn once and go on to when there is something to do again; False at the end."""
        report = turn(self._world)
        lived = self._lived
        lived.answered += report.answered
        lived.retrainings += sum(one.status == "succeeded" for one in report.fired)
        lived.events += _happenings(report)
        if self.now >= self._stage.end:
            return False
        wake = report.wake if report.wake is not None else self._stage.end
        self._clock.set(min(self._stage.end, max(wake, self.now + SOONEST)))
        return True

    def lived(self) -> Lived:
        """What its time left behind, once it is over."""
        name, lived = self._stage.deployment.name, self._lived
        lived.scores = self._scores(name)
        lived.trainings, lived.cpu_seconds = self._meter.trainings, self._meter.total
        lived.champion_as_of = _champion_as_of(self._world, name)
        _count(self._world, lived)
        return lived

    def _scores(self, deployment: str) -> npt.NDArray[np.float64]:
        predictions, questions = self._world.predictions, self._stage.answers.questions
        if self._stage.task != "multiclass":
            return scores_of(predictions, deployment, questions)
        registry = self._world.registry
        return hits_of(
            predictions, deployment, questions, lambda ref: registry.load(registry.show(ref)).outputs.classes
        )


def _champion_as_of(world: World, deployment: str) -> datetime | None:
    champion = world.registry.show(world.deployments.show(deployment).live.model_ref)
    if not champion.run:
        return None
    with world.catalog.read() as tx:
        return runs.get(tx, champion.run).as_of


def unmeasured(version: Any) -> None:
    """Latency is not evaluated in virtual time."""
    del version


def _happenings(report: TurnReport) -> list[Happening]:
    found = [Happening(report.at, "fired", f"{one.rule}: {one.evidence[0].text}") for one in report.fired]
    found += [Happening(report.at, "failed", one.error) for one in report.fired if one.status == "failed"]
    found += [Happening(report.at, "passed" if one.passed else "refused", one.reason) for one in report.verdicts]
    return found + [Happening(report.at, one.action, f"{one.model}: {one.reason}") for one in report.moves]


def _count(world: World, lived: Lived) -> None:
    with world.catalog.read() as tx:
        rolled = tx.all(select(rollout.c.status, rollout.c.former))
    alerts = world.monitors.alerts(limit=_ALL)
    lived.promotions = sum(row.status in ("watching", "done") and bool(row.former) for row in rolled)
    lived.rollbacks = sum(row.status == "rolled_back" for row in rolled)
    lived.alerts = len(alerts)
    lived.events += [Happening(one.at, f"alert: {one.watch}", one.text) for one in alerts]
    lived.events.sort(key=lambda one: one.at)


def first_champion(world: World, deployment: str, pipeline: str) -> None:
    """Train, judge and deploy the model that every policy begins with.

    Raises:
        DeliveryError: the run failed, it gave no model, or the gate refused it.
    """
    result = world.start(pipeline)
    if result.status != "succeeded":
        raise DeliveryError(
            f"'{pipeline}' failed at the beginning of the replay",
            cause=result.error or result.status,
            cure="begin later: mulle backtest … --start INSTANT",
        )
    report = turn(world)
    if deployment not in world.deployments.names():
        refused = [one.reason for one in report.verdicts if not one.passed]
        raise DeliveryError(
            f"nothing serves '{deployment}' at the beginning of the replay",
            cause=refused[0] if refused else f"'{pipeline}' registered no version of its model",
            cure="begin later: mulle backtest … --start INSTANT",
        )
