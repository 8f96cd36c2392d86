"""The verbs of monitoring, and the look that the wheel takes on each turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec
import polars as pl
from sqlalchemy import and_, bindparam, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mulle.catalog import Catalog, Tx
from mulle.errors import unknown
from mulle.monitoring import looking
from mulle.monitoring.declare import Drift, MonitorDefinition, Outliers, Quality, Staleness, Watch
from mulle.monitoring.model import Alert, MonitorSummary, Outcome, Serving
from mulle.monitoring.reference import SCORE
from mulle.monitoring.tables import alert, monitor_state
from mulle.pipelines import journal
from mulle.predictions import Predictions
from mulle.predictions.files import INPUT, where
from mulle.predictions.frames import SHADOW
from mulle.registry import Registry
from mulle.stats.evaluation import Report
from mulle.types import Digest
from mulle.verbs import verb

Monitors: TypeAlias = list[MonitorSummary]
Alerts: TypeAlias = list[Alert]

REPEAT = timedelta(days=7)
"""The same watch over the same champion tells again only after this long."""

_QUALITY_LOOKS = 7
_KEYS = ["deployment", "watch"]
_STATES = select(monitor_state).where(monitor_state.c.deployment == bindparam("deployment"))
_CURSORS = select(monitor_state.c.watch, monitor_state.c.cursor).where(
    monitor_state.c.deployment == bindparam("deployment")
)
_ADDED = upsert(monitor_state)
_KEEP = _ADDED.on_conflict_do_update(
    index_elements=_KEYS,
    set_={name: _ADDED.excluded[name] for name in ("champion", "cursor", "reading", "state")},
)
_ALERT_COLUMNS = [name for name in Alert.__struct_fields__ if name != "number"]


def watch_name(watch: Watch) -> str:
    """The name of a watch among those over one deployment: its kind."""
    return str(watch.__struct_config__.tag)


class Learned:
    """What was learned from champions' evaluations, kept by content: several catalogs in one process may share it."""

    def __init__(self) -> None:
        self.expected: dict[tuple[str, bytes], looking.Expected | None] = {}
        self.baselines: dict[tuple[str, str], looking.Baseline | None] = {}
        self.taught: tuple[str, pl.DataFrame | None] = ("", None)
        """The rows that a run trained on: the last ones read, for the next watch over the same champion."""


class Monitoring:
    """Standing questions on data and quality.

    Args:
        catalog: where states and alerts are recorded.
        registry: what the champions are and what they were judged on.
        predictions: the answers and their labels.
        definitions: the monitors by deployment.
        learned: shared between catalogs of one process (a backtest's policies); its own when None.
    """

    plane = "monitors"

    def __init__(
        self,
        catalog: Catalog,
        registry: Registry,
        predictions: Predictions,
        definitions: Mapping[str, MonitorDefinition],
        learned: Learned | None = None,
    ) -> None:
        self.catalog = catalog
        self.registry = registry
        self.predictions = predictions
        self.definitions = definitions
        self.learned = learned or Learned()

    @verb("read")
    def list(self) -> Monitors:
        """Every watch with its settings and what it last saw."""
        with self.catalog.read() as tx:
            states = {(row.deployment, row.watch): row for row in tx.all(select(monitor_state))}
            counted = select(alert.c.deployment, alert.c.watch, func.count().label("open"))
            counted = counted.where(alert.c.acknowledged.is_(None)).group_by(alert.c.deployment, alert.c.watch)
            opened = {(row.deployment, row.watch): row.open for row in tx.all(counted)}
        return [
            _summary(name, watch, states.get((name, watch_name(watch))), opened.get((name, watch_name(watch)), 0))
            for name, definition in self.definitions.items()
            for watch in definition.watches
        ]

    @verb("read")
    def status(self, deployment: str) -> Monitors:
        """The watches over one deployment."""
        found = [one for one in self.list() if one.deployment == deployment]
        if not found:
            raise unknown("monitor", deployment, self.definitions, cure="mulle monitor list")
        return found

    @verb("read")
    def alerts(self, deployment: str = "", limit: int = 50, open_only: bool = False) -> Alerts:
        """The alerts, the newest first."""
        chosen = select(alert).order_by(alert.c.number.desc()).limit(limit)
        if deployment:
            chosen = chosen.where(alert.c.deployment == deployment)
        if open_only:
            chosen = chosen.where(alert.c.acknowledged.is_(None))
        with self.catalog.read() as tx:
            return [_alert(row) for row in tx.all(chosen)]

    @verb("write")
    def acknowledge(self, alert_id: str, reason: str = "", earlier: bool = False) -> Alert:
        """Say that an alert was seen; it stays in the history.

        With `earlier`, the open ones that the same watch raised before it are seen too.
        """
        with self.catalog.write() as tx:
            row = tx.one(select(alert).where(alert.c.id == alert_id))
            if row is None:
                known = [one.id for one in tx.all(select(alert.c.id).order_by(alert.c.number.desc()).limit(100))]
                raise unknown("alert", alert_id, known, cure="mulle monitor alerts")
            chosen = alert.c.id == alert_id
            if earlier:
                before = (
                    alert.c.deployment == row.deployment,
                    alert.c.watch == row.watch,
                    alert.c.number <= row.number,
                )
                chosen = and_(*before)
            for one in tx.all(
                select(alert.c.id).where(chosen, alert.c.acknowledged.is_(None)).order_by(alert.c.number)
            ):
                tx.execute(update(alert).where(alert.c.id == one.id).values(acknowledged=tx.now))
                tx.event(f"alert:{one.id}", {"acknowledged": True}, reason=reason or None)
            found = tx.one(select(alert).where(alert.c.id == alert_id))
        assert found is not None
        return _alert(found)

    def since(self, number: int) -> Alerts:
        """The alerts after a number, in order: a cursor for what reacts to them."""
        with self.catalog.read() as tx:
            return [
                _alert(row) for row in tx.all(select(alert).where(alert.c.number > number).order_by(alert.c.number))
            ]

    def evaluate(self, now: datetime, serving: Iterable[Serving], watches: Mapping[str, Sequence[Watch]]) -> Alerts:
        """Let every watch look at what came since it last looked, each answer once.

        The state of a watch, its cursor and the alert it raises share a transaction; when another process was faster,
        nothing happens here. A new champion starts every watch afresh.
        """
        raised = []
        for one in serving:
            with self.catalog.read() as tx:
                states = {row.watch: row for row in tx.all(_STATES, {"deployment": one.deployment})}
            rows = _Rows(self.predictions, one, now)
            looks = []
            for watch in watches.get(one.deployment, ()):
                row = states.get(watch_name(watch))
                row = row if row is not None and row.champion == one.champion.ref else None
                outcome = self._look(watch, one, row, now, rows)
                if outcome is not None:
                    looks.append((watch_name(watch), states.get(watch_name(watch)), outcome))
            if looks:
                raised += self._record(one, looks, now)
        return raised

    def _look(self, watch: Watch, serving: Serving, row: Any, now: datetime, rows: _Rows) -> Outcome | None:
        match watch:
            case Staleness():
                return looking.look_at_age(watch, serving, now)
            case Quality():
                if row is not None and now < row.cursor + watch.window / _QUALITY_LOOKS:
                    return None
                against = self._baseline(serving, watch.metric)
                since = max(serving.since, now - watch.window)
                return None if against is None else looking.look_at_quality(watch, against, rows.labelled(since))
            case Drift() | Outliers():
                against_rows = self._expected(serving, watch)
                if against_rows is None:
                    return None
                fresh = rows.fresh(row.cursor if row is not None else serving.since)
                if fresh.height == 0:
                    return None
                seen = int(row.reading.get("rows", 0)) if row is not None else 0
                return looking.look_at_rows(against_rows, row.state if row is not None else b"", fresh, seen)

    def _expected(self, serving: Serving, watch: Drift | Outliers) -> looking.Expected | None:
        key = (serving.champion.report, msgspec.msgpack.encode(watch))
        if key not in self.learned.expected:
            report = self._report(serving)
            features = [field.name for field in serving.champion.signature]
            taught = self._taught(serving, features)
            if taught is None and report is not None:
                taught = report.rows
            found = None if taught is None else looking.expected(taught, report, features, watch)
            self.learned.expected[key] = found
        return self.learned.expected[key]

    def _baseline(self, serving: Serving, metric: str) -> looking.Baseline | None:
        key = (serving.champion.report, metric)
        if key not in self.learned.baselines:
            report = self._report(serving)
            self.learned.baselines[key] = None if report is None else looking.baseline(report, metric)
        return self.learned.baselines[key]

    def _taught(self, serving: Serving, features: Sequence[str]) -> pl.DataFrame | None:
        """The training set of the champion's run; None where it was not made by a pipeline with one."""
        with self.catalog.read() as tx:
            steps = journal.steps(tx, serving.champion.run) if serving.champion.run else []
        for step in steps:
            if step.kind == "training_set" and step.outputs:
                rows = self._rows(Digest(step.outputs[0]["digest"]))
                if set(features) <= set(rows.columns):
                    return rows
        return None

    def _rows(self, digest: Digest) -> pl.DataFrame:
        known, rows = self.learned.taught
        if known != digest or rows is None:
            rows = pl.read_ipc(self.registry.store.get(digest), use_pyarrow=False)
            self.learned.taught = (digest, rows)
        return rows

    def _report(self, serving: Serving) -> Report | None:
        report = self.registry.report(serving.champion)
        return report if report is not None and report.rows is not None else None

    def _record(self, serving: Serving, looks: Sequence[tuple[str, Any, Outcome]], now: datetime) -> Alerts:
        with self.catalog.write() as tx:
            current = {row.watch: row.cursor for row in tx.all(_CURSORS, {"deployment": serving.deployment})}
            # a watch that another process let look meanwhile is left out
            fresh = [one for one in looks if current.get(one[0]) == (None if one[1] is None else one[1].cursor)]
            states = [
                {"deployment": serving.deployment, "watch": name, "champion": serving.champion.ref, "cursor": now}
                | {"reading": outcome.reading, "state": outcome.state}
                for name, _, outcome in fresh
            ]
            if states:
                tx.execute(_KEEP, states)
            told = [(name, outcome) for name, _, outcome in fresh if _untold(tx, serving, name, outcome, now)]
            return [_raise(tx, serving, name, outcome) for name, outcome in told]


class _Rows:
    """What a deployment answered, read at most once a look."""

    def __init__(self, predictions: Predictions, serving: Serving, now: datetime) -> None:
        self._predictions = predictions
        self._serving = serving
        self._now = now
        self._fresh: dict[datetime, pl.DataFrame] = {}

    def fresh(self, since: datetime) -> pl.DataFrame:
        """The champion's answers since an instant: its inputs by name, the score, and when."""
        if since not in self._fresh:
            found = self._predictions.log.scan_flat(self._serving.deployment, since, self._now)
            found = self._given(found)
            inputs = [name for name in found.columns if name.startswith(INPUT)]
            names = ["at", SCORE, *(name.removeprefix(INPUT) for name in inputs)]
            columns = [found.get_column(name) for name in ("at", "score", *inputs)]
            self._fresh[since] = pl.DataFrame(dict(zip(names, columns, strict=True)))
        return self._fresh[since]

    def labelled(self, since: datetime) -> pl.DataFrame:
        """The champion's answers since an instant whose labels are known now."""
        columns = ["at", "model", "role", "score"]
        inputs = self._serving.champion.inputs
        found = self._predictions.join_labels(self._serving.deployment, since, self._now, columns, inputs=inputs)
        return self._given(found)

    def _given(self, found: pl.DataFrame) -> pl.DataFrame:
        """What callers were given by the champion."""
        mine = found.get_column("model") == self._serving.champion.ref
        return where(found, mine & (found.get_column("role") != SHADOW))


def _untold(tx: Tx, serving: Serving, name: str, outcome: Outcome, now: datetime) -> bool:
    """Whether the outcome tells of something, and the watch did not do so lately."""
    if not outcome.subjects:
        return False
    chosen = select(func.count()).where(
        alert.c.deployment == serving.deployment,
        alert.c.watch == name,
        alert.c.champion == serving.champion.ref,
        alert.c.at > now - REPEAT,
    )
    return not tx.scalar(chosen)


def _raise(tx: Tx, serving: Serving, name: str, outcome: Outcome) -> Alert:
    alert_id = tx.new_id()
    facts = {"deployment": serving.deployment, "watch": name, "champion": serving.champion.ref}
    event = tx.event(f"alert:{alert_id}", facts | {"subjects": outcome.subjects}, verb="monitors.raise")
    values: dict[str, Any] = {"id": alert_id, "at": tx.now, "acknowledged": None, "event": event, **facts}
    values |= {"subjects": outcome.subjects, "text": outcome.text, "evidence": outcome.evidence}
    number = tx.execute(insert(alert).values(**values)).inserted_primary_key
    assert number is not None
    return Alert(number=int(number[0]), **values)


def _alert(row: Any) -> Alert:
    return Alert(number=row.number, **{name: getattr(row, name) for name in _ALERT_COLUMNS})


def _summary(deployment: str, watch: Watch, row: Any, opened: int) -> MonitorSummary:
    return MonitorSummary(
        deployment=deployment,
        watch=watch_name(watch),
        settings=msgspec.to_builtins(watch),
        champion=row.champion if row is not None else "",
        looked=row.cursor if row is not None else None,
        reading=row.reading if row is not None else {},
        open_alerts=opened,
    )
