"""The workspace: one catalog, one object store, and the services over them, each made when it is first used.

Services are imported where they are made: a command that needs one plane does not pay for the others.
"""

# ruff: noqa: PLC0415 - start-up time, as said above

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mulle.access import Signer
from mulle.catalog import Catalog
from mulle.clock import Clock, ClockIds, Ids, SystemClock
from mulle.config import Settings
from mulle.config import load as load_settings
from mulle.store import LocalStore, ObjectStore
from mulle.workspace import format as disk
from mulle.workspace import project as projects
from mulle.workspace.audit import AuditService
from mulle.workspace.lineage import LineageService
from mulle.workspace.tables import declare_all

if TYPE_CHECKING:
    from mulle.data.service import DataService
    from mulle.features.service import FeatureService
    from mulle.monitoring.service import Monitoring
    from mulle.predictions import Predictions
    from mulle.registry import Registry
    from mulle.serving.service import Deployments
    from mulle.validation.service import ValidationService


class Workspace:
    """Everything that is kept for a project, and the verbs over it.

    Make one with `open` or `create`; use it as a context manager or `close` it.
    """

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
        clock = clock or SystemClock()
        ids = ids or ClockIds(clock)
        if not (root / "catalog.db").exists():
            declare_all()
            root.mkdir(parents=True, exist_ok=True)
            disk.write(root)
            (root / ".gitignore").write_text("*\n", "utf-8")
            Catalog.create(root / "catalog.db", clock, ids).close()
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
        for name in ("_executor",):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
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

        return DataService(self.catalog, self.store, self.settings.root)

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

        return Deployments(self.catalog, self.models, self.root / "serving")

    @cached_property
    def predictions(self) -> Predictions:
        """Answers and their truth."""
        from mulle.predictions import PredictionLog, Predictions

        log = PredictionLog(self.root / "predictions", self.root / "spool" / "predictions")
        return Predictions(self.catalog, log, self.models, self.data, self.deployments.names)

    @cached_property
    def monitors(self) -> Monitoring:
        """Standing questions and alerts."""
        from mulle.monitoring.service import Monitoring

        return Monitoring(self.catalog, self.models, self.predictions, self._defined("monitor")())

    @cached_property
    def audit(self) -> AuditService:
        """The ledger."""
        return AuditService(self.catalog)

    @cached_property
    def lineage(self) -> LineageService:
        """Why, and impact."""
        from mulle.workspace.resolving import Resolving

        found = Resolving(self.data, self.models, self.predictions, self.deployments)
        return LineageService(
            self.catalog,
            canonical=found.canonical,
            prediction=found.prediction,
            contents=found.contents,
            holders=found.holders,
            live=found.live,
        )

    def _defined(self, kind: str) -> Callable[[], Mapping[str, Any]]:
        """The project's definitions of a kind, when they are needed; none where there is no project module."""

        def names() -> Mapping[str, Any]:
            file = self.settings.root / (self.settings.module.replace(".", "/") + ".py")
            return self.project.definitions.all(kind) if file.exists() else {}

        return names
