"""From the spool into the catalog, each fact once, however often and by however many processes this is called."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from mulle.spool import read_segment
from mulle.tracking.recording import ArtifactFact, Fact, MetricFact, ParamFact
from mulle.tracking.tables import artifact, metric_chunk, metric_latest, param, segment

if TYPE_CHECKING:
    from pathlib import Path

    from mulle.catalog import Catalog, Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_facts = msgspec.msgpack.Decoder(MetricFact | ParamFact | ArtifactFact)
_points = msgspec.msgpack.Encoder()


def ingest(catalog: Catalog, directory: Path) -> int:
    """Take over all facts that the spool holds; the number of facts. Complete segments are then removed."""
    count = 0
    for path in sorted(directory.glob("*.seg")) if directory.is_dir() else []:
        try:
            count += _take(catalog, path)
        except FileNotFoundError:  # another process took it over and removed it
            continue
    return count


def _take(catalog: Catalog, path: Path) -> int:
    with catalog.read() as tx:
        start = _taken(tx, path.stem)
    read = read_segment(path, start)
    facts = [_facts.decode(frame) for frame in read.frames]
    if facts:
        with catalog.write() as tx:
            if _taken(tx, read.id) != start:
                return 0  # another process was faster
            record(tx, facts)
            row = {"id": read.id, "end": read.end}
            tx.execute(insert(segment).values(row).on_conflict_do_update(index_elements=["id"], set_={"end": read.end}))
    if read.sealed:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    return len(facts)


def _taken(tx: Tx, name: str) -> int:
    return int(tx.scalar(select(segment.c.end).where(segment.c.id == name)) or 0)


def record(tx: Tx, facts: list[Fact]) -> None:
    """Write facts: points in one chunk for each (owner, key), with the latest and the extreme values beside them."""
    curves: dict[tuple[str, str], list[MetricFact]] = defaultdict(list)
    for fact in facts:
        if isinstance(fact, MetricFact):
            curves[fact.owner, fact.key].append(fact)
        elif isinstance(fact, ParamFact):
            values = {"owner": fact.owner, "key": fact.key, "value": fact.value}
            changed = {"value": fact.value}
            tx.execute(
                insert(param).values(values).on_conflict_do_update(index_elements=["owner", "key"], set_=changed)
            )
        else:
            kept = {"digest": fact.digest, "kind": fact.kind, "bytes": fact.bytes}
            row = insert(artifact).values({"owner": fact.owner, "name": fact.name, **kept})
            tx.execute(row.on_conflict_do_update(index_elements=["owner", "name"], set_=kept))
    for (owner, key), points in curves.items():
        _record_points(tx, owner, key, points)


def _record_points(tx: Tx, owner: str, key: str, facts: list[MetricFact]) -> None:
    before = tx.one(select(metric_latest).where(metric_latest.c.owner == owner, metric_latest.c.key == key))
    step = before.step if before is not None else -1
    points: list[tuple[int, float, int]] = []
    for fact in facts:
        step = fact.step if fact.step is not None else step + 1
        points.append((step, fact.value, fact.at))
    tx.execute(insert(metric_chunk).values({"owner": owner, "key": key, "points": _points.encode(points)}))
    known = [before.minimum, before.maximum] if before is not None and before.minimum is not None else []
    values = [value for _, value, _ in points if math.isfinite(value)] + known
    latest = points[-1][1]
    kept = {
        "number": len(points) + (before.number if before is not None else 0),
        "latest": latest if math.isfinite(latest) else None,  # SQLite has no NaN
        "minimum": min(values, default=None),
        "maximum": max(values, default=None),
        "step": points[-1][0],
        "at": _EPOCH + timedelta(microseconds=points[-1][2]),
    }
    row = insert(metric_latest).values({"owner": owner, "key": key, **kept})
    tx.execute(row.on_conflict_do_update(index_elements=["owner", "key"], set_=kept))
