"""The verbs of the features plane."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.data.reading import at_microseconds, microseconds, read_version
from mulle.errors import FeatureError, unknown
from mulle.features.leaks import find_leaks
from mulle.features.materializing import newest
from mulle.features.model import LeakReport, Materialized, OnlineFeatures, ViewInfo
from mulle.hashing.code import code_digest
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mulle.catalog import Catalog
    from mulle.data.service import DataService
    from mulle.features.definition import FeatureView
    from mulle.features.online import OnlineStore, OnlineView
    from mulle.store import ObjectStore

Views = list[ViewInfo]


class FeatureService:
    """Feature views: how they are defined, whether they are honest, and their newest values online."""

    plane = "features"

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        data: DataService,
        online: OnlineStore,
        *,
        views: Callable[[], Mapping[str, FeatureView]],
        roots: Sequence[Path] = (),
    ) -> None:
        """`views` gives the project's feature views by name; `roots` are the folders of its code."""
        self._catalog = catalog
        self._store = store
        self._data = data
        self._online = online
        self._views = views
        self._roots = list(roots)

    @verb("read")
    def list(self) -> Views:
        """The project's feature views, in the order of their definition."""
        return [self._info(view) for view in self._views().values()]

    @verb("read")
    def show(self, name: str) -> ViewInfo:
        """One feature view."""
        return self._info(self._view(name))

    @verb("read")
    def check(self, view: str, cuts: int = 8, seed: int = 0) -> LeakReport:
        """Whether the view looks ahead, or further back than it says: it is computed anew on truncated data."""
        defined = self._view(view)
        version = self._data.head(defined.source.name)
        rows = read_version(self._store, version.digest)
        leaks = find_leaks(defined, rows, cuts=cuts, seed=seed)
        withheld = [name for name in defined.withheld() if name in rows.columns]
        return LeakReport(view=view, version=version.ref, cuts=cuts, rows=rows.height, withheld=withheld, leaks=leaks)

    @verb("write")
    def materialize(self, view: str, until: datetime | None = None) -> Materialized:
        """Bring the view's online features up to `until` (now by default), from where they stand; exactly once.

        What the source has not collected yet is left for the next time. After a change of the view's code its
        features are made anew.
        """
        defined = self._view(view)
        version = self._data.head(defined.source.name)
        code = self._code(defined)
        held = self._online.view(view)
        since = at_microseconds(held.until) if held is not None and held.code == code else None
        reached = instant(until) if until is not None else self._catalog.clock.now()
        if version.watermark is not None:
            reached = min(reached, version.watermark + defined.delay)
        if since is not None and since >= reached:
            return Materialized(view=view, version=version.ref, since=since, until=since, rows=0)
        about, rows = newest(self._store, defined, version.digest, since, reached, code=code)
        self._online.write(about, rows)
        self._record(defined, version.ref, reached, len(rows))
        return Materialized(view=view, version=version.ref, since=since, until=reached, rows=len(rows))

    @verb("read")
    def online(
        self, views: tuple[str, ...], entities: tuple[dict[str, Any], ...], now: datetime | None = None
    ) -> tuple[OnlineFeatures, ...]:
        """The newest features of each entity, from all the views together, as a request at `now` would get them."""
        at = microseconds(instant(now) if now is not None else self._catalog.clock.now()) or 0
        held = [self._held(name) for name in views]
        return tuple(self._entity(held, entity, at) for entity in entities)

    def close(self) -> None:
        """Release the online store."""
        self._online.close()

    def _entity(self, views: Sequence[OnlineView], entity: Mapping[str, Any], at: int) -> OnlineFeatures:
        features: dict[str, Any] = {}
        missing: list[str] = []
        for view in views:
            values = self._online.read(view.name, [_key(view.name, view.entity, entity)], at)[0]
            if values is None:
                missing.append(view.name)
            features |= zip(view.features, values or [None] * len(view.features), strict=True)
        return OnlineFeatures(entity=dict(entity), features=features, missing=missing)

    def _held(self, name: str) -> OnlineView:
        held = self._online.view(name)
        if held is None:
            known = [each.name for each in self._online.views()]
            raise unknown("online feature view", name, known, cure=f"mulle features materialize {name}")
        return held

    def _view(self, name: str) -> FeatureView:
        views = self._views()
        if name not in views:
            raise unknown("feature view", name, views, cure="mulle features list")
        return views[name]

    def _code(self, view: FeatureView) -> str:
        times = f"{view.delay}|{view.ttl}|{view.lookback}"
        return f"{code_digest(view.function, self._roots).digest}|{times}"

    def _record(self, view: FeatureView, version: str, until: datetime, rows: int) -> None:
        with self._catalog.write() as tx:
            name = f"feature_view:{view.name}"
            tx.node("feature_view", name)
            tx.event(name, {"materialized": until.isoformat(), "version": version, "rows": rows})

    def _info(self, view: FeatureView) -> ViewInfo:
        held = self._online.view(view.name)
        return ViewInfo(
            name=view.name,
            entity=list(view.entity),
            source=view.source.name,
            ttl=view.ttl.total_seconds(),
            available_after=view.delay.total_seconds(),
            lookback=None if view.lookback is None else view.lookback.total_seconds(),
            withheld=view.withheld(),
            doc=(view.function.__doc__ or "").strip().partition("\n")[0],
            materialized=None if held is None else at_microseconds(held.until),
        )


def _key(view: str, entity: Sequence[str], given: Mapping[str, Any]) -> tuple[Any, ...]:
    missing = [name for name in entity if name not in given]
    if missing:
        raise FeatureError(
            f"the entity lacks '{missing[0]}'",
            cause=f"feature view '{view}' is by {', '.join(entity)}",
            cure=f"give it, as {missing[0]}=VALUE",
        )
    return tuple(given[name] for name in entity)
