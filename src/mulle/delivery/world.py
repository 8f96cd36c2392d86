"""All that the wheel turns in, given from outside. A backtest gives another clock, catalog and arrivals, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from mulle.catalog import Catalog
from mulle.clock import Clock
from mulle.data import DataService
from mulle.data.definition import Dataset
from mulle.definitions import Definitions
from mulle.delivery.declare import DeploymentDefinition, Drifted, QualityDrop, TriggerDefinition
from mulle.errors import MulleError
from mulle.monitoring.declare import Drift, MonitorDefinition, Quality, Watch
from mulle.monitoring.model import Serving
from mulle.monitoring.service import Monitoring
from mulle.pipelines.model import RunResult
from mulle.predictions import Predictions
from mulle.registry import ModelVersion, Registry
from mulle.serving import Deployments

if TYPE_CHECKING:
    from mulle.pipelines.definition import Pipeline


class Arrivals(Protocol):
    """Where new data comes from. Taking in the same instant again changes nothing."""

    def arrive(self, now: datetime) -> list[str]:
        """Take in everything that is there by `now`; the references of the new dataset versions."""

    def next(self, now: datetime) -> datetime | None:
        """When there is next something to take in, where that is known."""


class Requests(Protocol):
    """Questions that the wheel itself puts to the deployments: none in production, those of history in a replay."""

    def answer(self, now: datetime) -> int:
        """Let the deployments answer everything asked before `now` and not yet answered; how many that were."""


class Starter(Protocol):
    """Starts a pipeline and waits for its end."""

    def __call__(self, pipeline: str, *, as_of: datetime | None = None) -> RunResult:
        """Run it on the heads of its datasets, or as of an instant, which it also gets as its parameter `as_of`.

        A run that fails says so in its result, or raises MulleError.
        """


def instant_for(pipeline: Pipeline[..., Any], as_of: datetime | None) -> dict[str, Any]:
    """The parameter by which a pipeline is told the instant that its run is for, where it has one."""
    return {"as_of": as_of.isoformat()} if as_of is not None and "as_of" in pipeline.signature.parameters else {}


class Stopwatch(Protocol):
    """Measures a model version in its serving environment."""

    def __call__(self, version: ModelVersion) -> timedelta | None:
        """The 99th percentile of one-row predictions; None where it cannot be measured."""


class NoRequests:
    """Requests come over the network by themselves."""

    def answer(self, now: datetime) -> int:
        """Nothing to do."""
        del now
        return 0


class Collected:
    """Arrivals from the datasets' own sources.

    Args:
        data: the data plane.
        datasets: those with a source are taken in.
        whole: make one version of everything due instead of one a window.
    """

    def __init__(self, data: DataService, datasets: Sequence[Dataset], *, whole: bool = False) -> None:
        self._data = data
        self._datasets = [one for one in datasets if one.source is not None]
        self._whole = whole

    def arrive(self, now: datetime) -> list[str]:
        """Every window that is over by `now`, and what is new of the sources that it is time to ask, exactly once.

        A source that fails keeps no other from being collected. Its error is raised by the next turn to which nothing
        new comes, so that what came is attended to first.
        """
        found: list[str] = []
        failed: list[tuple[Dataset, MulleError]] = []
        for one in self._datasets:
            try:
                if self._data.due(one, now):
                    found += [version.ref for version in self._data.collect(one, now, whole=self._whole)]
            except MulleError as error:
                failed.append((one, error))
        if failed and not found:
            raise failed[0][1]
        for one, _ in failed:
            self._data.ask_again(one)
        return found

    def next(self, now: datetime) -> datetime | None:
        """The end of the next window of any source."""
        ends = []
        for one in self._datasets:
            every = getattr(one.source, "every", None)
            start = getattr(one.source, "start", None)
            if isinstance(every, timedelta) and isinstance(start, datetime):
                ends.append(start + every * max((now - start) // every + 1, 1))
        return min(ends, default=None)


@dataclass(frozen=True)
class Rules:
    """What a project declares about delivery and watching, by name."""

    triggers: Mapping[str, TriggerDefinition]
    deployments: Mapping[str, DeploymentDefinition]
    monitors: Mapping[str, MonitorDefinition]

    @classmethod
    def of(cls, definitions: Definitions) -> Rules:
        """The rules among a project's definitions."""
        kinds = ("trigger", "deployment", "monitor")
        return cls(*(definitions.all(kind) for kind in kinds))

    def watches(self) -> dict[str, list[Watch]]:
        """The watches of each deployment: those declared, and those that a trigger listens to."""
        found = {name: list(self.monitors[name].watches) if name in self.monitors else [] for name in self.deployments}
        for definition in self.triggers.values():
            for cause in definition.on:
                if isinstance(cause, Drifted) and cause.deployment in found:
                    watched = found[cause.deployment]
                    watched += [] if any(isinstance(one, Drift) for one in watched) else [Drift()]
                if isinstance(cause, QualityDrop) and cause.deployment in found:
                    watched = found[cause.deployment]
                    known = any(isinstance(one, Quality) and one.metric == cause.metric for one in watched)
                    watched += [] if known else [Quality(cause.metric)]
        return found


class ServingMemory:
    """Which models served at the last look; good as long as no deployment changed."""

    def __init__(self) -> None:
        self.generation = -1
        self.serving: list[Serving] = []


@dataclass(frozen=True)
class World:
    """The ports of one turn of the wheel."""

    catalog: Catalog
    clock: Clock
    rules: Rules
    data: DataService
    registry: Registry
    deployments: Deployments
    predictions: Predictions
    monitors: Monitoring
    start: Starter
    arrivals: Arrivals
    requests: Requests
    stopwatch: Stopwatch
    memory: ServingMemory = field(default_factory=ServingMemory)
