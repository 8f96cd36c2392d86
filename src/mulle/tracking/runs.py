"""The `run` record and what belongs to it: functions beneath the verbs, each within a given transaction."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from mulle.errors import unknown
from mulle.hashing import digest_value
from mulle.resources.process import HUNG_SECONDS, Process, hangs, lives, this_process
from mulle.tracking.model import Artifact, Point, Run, RunStatus
from mulle.tracking.tables import artifact, metric_chunk, metric_latest, param, run, run_owner
from mulle.verbs import current

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINK = insert(run_owner).on_conflict_do_nothing()
KILLED = "killed: its process ended without finishing it"
HUNG = f"given up: nothing was heard of its process for {HUNG_SECONDS:g} s"


def create(
    tx: Tx,
    *,
    kind: Literal["pipeline", "tracked"],
    pipeline: str = "",
    experiment: str = "",
    params: Mapping[str, Any],
    as_of: datetime | None = None,
    project_version: str = "",
    beat: float = 0.0,
    process: Process | None = None,
) -> str:
    """Begin a run; its id.

    Args:
        tx: the transaction.
        kind: whether it is of a pipeline.
        pipeline: which.
        experiment: what it belongs to; the pipeline by default.
        params: its parameters.
        as_of: the instant as of which it reads.
        project_version: the code's version.
        beat: `time.monotonic()` where the run has a lease.
        process: what drives it; this process by default.
    """
    acting = current()
    run_id = tx.new_id()
    row = {
        "id": run_id,
        "kind": kind,
        "pipeline": pipeline,
        "experiment": experiment or pipeline or "default",
        "status": "running",
        "created": tx.now,
        "ended": None,
        "params": dict(params),
        "metrics": {},
        "as_of": as_of,
        "project_version": project_version,
        "actor": acting.actor,
        "reason": acting.reason,
        "cause": acting.cause,
        "error": "",
        "process": process or this_process(),
        "beat": beat,
        "cancel_requested": False,
    }
    tx.execute(insert(run).values(row))
    link(tx, run_id, [run_id])
    about = [kind, pipeline, dict(params), as_of, project_version]
    tx.node("run", f"run:{run_id}", digest_value(about))
    tx.event(f"run:{run_id}", {"status": "running", "pipeline": pipeline}, verb=f"{kind}.start")
    return run_id


def finish(tx: Tx, run_id: str, status: RunStatus, error: str = "") -> None:
    """End a run, with the latest values of its metrics."""
    latest = latest_metrics(tx, run_id)
    values = {"status": status, "ended": tx.now, "error": error, "metrics": latest}
    tx.execute(update(run).where(run.c.id == run_id).values(values))
    tx.event(f"run:{run_id}", {"status": status, **({"error": error[:500]} if error else {})}, verb="run.end")


def link(tx: Tx, run_id: str, owners: Sequence[str]) -> None:
    """Show the records of these owners with the run."""
    if owners:
        rows = [{"run": run_id, "owner": owner} for owner in owners]
        tx.execute(_LINK, rows)


def get(tx: Tx, run_id: str) -> Run:
    """One run, also by a unique beginning of its id.

    Raises:
        UnknownNameError: there is none, or several begin so.
    """
    rows = tx.all(select(run).where(run.c.id.startswith(run_id, autoescape=True)).limit(2)) if run_id else []
    exact = [row for row in rows if row.id == run_id] or rows
    if len(exact) != 1:
        known = [row.id for row in tx.all(select(run.c.id).order_by(run.c.id.desc()).limit(50))]
        raise unknown("run", run_id, known, cure="mulle runs list")
    return _run(exact[0])


def listed(tx: Tx, limit: int, pipeline: str | None = None) -> list[Run]:
    """The newest runs, newest first."""
    statement = select(run).order_by(run.c.created.desc(), run.c.id.desc()).limit(limit)
    if pipeline is not None:
        statement = statement.where(run.c.pipeline == pipeline)
    return [_run(row) for row in tx.all(statement)]


def beat(tx: Tx, run_id: str) -> bool:
    """Renew the lease of a run that this process drives; False where the run is over already."""
    mine = update(run).where(run.c.id == run_id, run.c.status == "running")
    return tx.execute(mine.values(beat=time.monotonic())).rowcount > 0


def succeeded(tx: Tx, pipeline: str) -> list[tuple[str, dict[str, Any], datetime | None, str]]:
    """The runs of a pipeline that succeeded, the oldest first: its name, their parameters, instant and id."""
    columns = (run.c.params, run.c.as_of, run.c.id)
    chosen = select(*columns).where(run.c.pipeline == pipeline, run.c.status == "succeeded").order_by(run.c.id)
    return [(pipeline, row.params, row.as_of, row.id) for row in tx.all(chosen)]


def lost(tx: Tx) -> dict[str, str]:
    """Runs that are said to be running, but whose process is gone, or hangs: id → what became of it."""
    found = {}
    for row in tx.all(select(run.c.id, run.c.process, run.c.beat).where(run.c.status == "running")):
        process = msgspec.convert(row.process, Process)
        if not lives(process):
            found[row.id] = KILLED
        elif row.beat and hangs(process, row.beat):
            found[row.id] = HUNG
    return found


def reopen(tx: Tx, run_id: str) -> None:
    """Let a run that failed go on: whoever drives it tries a step again."""
    ended = {"status": "running", "ended": None, "error": ""}
    tx.execute(update(run).where(run.c.id == run_id, run.c.status == "failed").values(ended))


def request_cancel(tx: Tx, run_id: str) -> None:
    """Ask the process that drives the run to end it."""
    tx.execute(update(run).where(run.c.id == run_id, run.c.status == "running").values(cancel_requested=True))
    tx.event(f"run:{run_id}", {"status": "cancel requested"})


def cancel_requested(tx: Tx, run_id: str) -> bool:
    """Whether somebody asked for the run's end."""
    return bool(tx.scalar(select(run.c.cancel_requested).where(run.c.id == run_id)))


def latest_metrics(tx: Tx, run_id: str) -> dict[str, float]:
    """Metric → its latest value, over all owners whose records the run shows."""
    statement = (
        select(metric_latest.c.key, metric_latest.c.latest)
        .join(run_owner, run_owner.c.owner == metric_latest.c.owner)
        .where(run_owner.c.run == run_id)
        .order_by(metric_latest.c.at, metric_latest.c.owner)
    )
    return {row.key: row.latest if row.latest is not None else math.nan for row in tx.all(statement)}


def points(tx: Tx, run_id: str, key: str) -> list[Point]:
    """One metric's curve, in the order in which it was logged."""
    statement = (
        select(metric_chunk.c.points)
        .join(run_owner, run_owner.c.owner == metric_chunk.c.owner)
        .where(run_owner.c.run == run_id, metric_chunk.c.key == key)
        .order_by(metric_chunk.c.id)
    )
    rows = [point for row in tx.all(statement) for point in msgspec.msgpack.decode(row.points)]
    if not rows and key not in (known := latest_metrics(tx, run_id)):
        raise unknown("metric", key, known, cure=f"mulle runs show {run_id}")
    return [Point(step, value, _EPOCH + timedelta(microseconds=at)) for step, value, at in rows]


def params(tx: Tx, run_id: str) -> dict[str, Any]:
    """Parameters that user code logged."""
    statement = select(param.c.key, param.c.value).join(run_owner, run_owner.c.owner == param.c.owner)
    return {row.key: row.value for row in tx.all(statement.where(run_owner.c.run == run_id).order_by(param.c.key))}


def artifacts(tx: Tx, run_id: str) -> list[Artifact]:
    """What user code kept with the run."""
    statement = select(artifact).join(run_owner, run_owner.c.owner == artifact.c.owner)
    rows = tx.all(statement.where(run_owner.c.run == run_id).order_by(artifact.c.name))
    return [Artifact(row.name, row.digest, row.kind, row.bytes) for row in rows]


def _run(row: Row[Any]) -> Run:
    return Run(**{name: getattr(row, name) for name in Run.__struct_fields__})
