"""The frozen records of the registry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from mulle.flavors import Field
from mulle.flavors.conversion import EngineReport


class ViewInput(msgspec.Struct, frozen=True):
    """A feature view that a model reads: whose features, and for how many seconds they hold (None: for ever)."""

    name: str
    entity: list[str]
    ttl: float | None = None


class Inputs(msgspec.Struct, frozen=True):
    """Where a model's rows come from: what serving looks up, and what joins its predictions with their labels.

    `asked` and `label_delay` are seconds relative to the event time; `request_columns` are those a caller sends.
    """

    dataset: str = ""
    key: list[str] = []
    event_time: str | None = None
    asked: float = 0.0
    label: str | None = None
    label_delay: float = 0.0
    views: list[ViewInput] = []
    request_columns: list[str] = []

    @classmethod
    def of(cls, dataset: Any, views: Iterable[Any] = (), request_columns: Iterable[str] = ()) -> Inputs:
        """The inputs of a model taught by a dataset's definition and feature views."""
        return cls(
            dataset=dataset.name,
            key=list(dataset.key),
            event_time=dataset.event_time,
            asked=dataset.asked.total_seconds(),
            label=dataset.label,
            label_delay=dataset.label_delay.total_seconds(),
            views=[
                ViewInput(view.name, list(view.entity), None if view.ttl is None else view.ttl.total_seconds())
                for view in views
            ],
            request_columns=list(request_columns),
        )


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a registration records; made outside of the transaction by `candidate`."""

    name: str
    bundle: str
    flavor: str
    task: str
    signature: list[Field]
    run: str = ""
    step_run: str = ""
    report: str = ""
    inputs: Inputs = Inputs()
    metrics: dict[str, float] = {}


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a model. `bundle` and `report` name objects; `engine` is there once it was prepared."""

    name: str
    number: int
    bundle: str
    flavor: str
    task: str
    signature: list[Field]
    run: str
    step_run: str
    report: str
    inputs: Inputs
    metrics: dict[str, float]
    at: datetime
    event: str
    aliases: list[str] = []
    engine: EngineReport | None = None

    @property
    def ref(self) -> str:
        """As one writes it: `delay@3`."""
        return f"{self.name}@{self.number}"


class ModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A model, its newest version and its aliases."""

    name: str
    versions: int
    latest: int
    at: datetime
    aliases: dict[str, int]
    metrics: dict[str, float]


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    """A mutable name that points at one version; `former` is where it pointed before."""

    name: str
    alias: str
    number: int
    former: int | None
    at: datetime
    event: str


class Difference(msgspec.Struct, frozen=True):
    """One figure of two versions."""

    a: float | None
    b: float | None
    change: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions side by side."""

    a: str
    b: str
    metrics: dict[str, Difference]
    inputs_added: list[str]
    inputs_removed: list[str]
    same_weights: bool
