"""The planes from the catalog up to serving, wired in a folder: what a test of one of them stands on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.access import Signer
from mulle.catalog import Catalog
from mulle.clock import Clock, ClockIds, SystemClock
from mulle.data import DataService
from mulle.predictions import PredictionLog, Predictions
from mulle.registry import Registry
from mulle.serving import Deployments, Server
from mulle.serving.server import Layout
from mulle.store import LocalStore

if TYPE_CHECKING:
    from mulle.flavors import Model
    from mulle.registry import ModelVersion


class Planes:
    """A small workspace without a project."""

    def __init__(self, root: Path, clock: Clock | None = None) -> None:
        self.root = root
        self.clock = clock or SystemClock()
        self.catalog = Catalog.create(root / "catalog.db", self.clock, ClockIds(self.clock, seed=1), durable=False)
        self.store = LocalStore(root / "objects", durable=False)
        self.signer = Signer(root / "keys")
        self.data = DataService(self.catalog, self.store)
        self.registry = Registry(self.catalog, self.store, self.signer, root / "cache")
        self.log = PredictionLog(root / "predictions", root / "spool", durable=False)
        self.deployments = Deployments(self.catalog, self.registry, root / "serving", log=self.log)
        self.predictions = Predictions(self.catalog, self.log, self.registry, self.data, self.deployments.names)

    def register(self, name: str, *models: Model, **recorded: Any) -> list[ModelVersion]:
        """Register models as the versions of one name."""
        return [self.registry.add(name, model, **recorded) for model in models]

    def server(self, **settings: Any) -> Server:
        """A server of all deployments on a free port; not started yet."""
        layout = Layout(
            spool=self.root / "spool",
            keys=self.root / "keys",
            state=self.root / "serving",
            online=self.root / "online.db",
        )
        settings = {"port": 0, "compact": self.predictions.compact, "poll": 0.02, **settings}
        return Server(self.deployments, layout, **settings)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def close(self) -> None:
        """Let go of the files."""
        self.catalog.close()
