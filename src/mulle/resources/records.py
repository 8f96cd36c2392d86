"""What the catalog knows of resources, as records: now, in the past, of a run, of a model version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from mulle.catalog.lineage import walk
from mulle.errors import unknown
from mulle.resources import holdings
from mulle.resources.amounts import total
from mulle.resources.model import Holder, Past, PoolNow, Queued, ResourcesNow, Share
from mulle.resources.state import State
from mulle.resources.tables import claim as table
from mulle.resources.whys import why_in_words

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Tx
    from mulle.resources.admission import Admission
    from mulle.resources.policy import Waiting

_ENDED = (table.c.granted.is_not(None), table.c.ended.is_not(None))


def now(tx: Tx, admission: Admission) -> ResourcesNow:
    """Who holds what and who waits for what, in the order of their turns. Those whose process is gone do not count."""
    state = State(tx, admission.rules, changing=False)
    rows = {row.id: row for row in tx.all(select(table).where(table.c.ended.is_(None)))}
    held = [live for live in state.lives if live.claim.granted is not None]
    decision = state.decision()
    first = len(decision.granted) + 1
    return ResourcesNow(
        at=tx.now,
        pools=[_pool(name, state, admission) for name in state.rules.pools],
        holders=[_holder(rows[live.claim.id], tx.now) for live in held],
        queue=[
            *(_next(rows[each.claim.id], place, tx.now) for place, each in enumerate(decision.granted, 1)),
            *(_queued(rows[each.claim.id], place, each, tx.now) for place, each in enumerate(decision.waiting, first)),
        ],
        shares=_shares(state, state.service or holdings.service(tx)[0]),
    )


def past(tx: Tx, limit: int, named: Mapping[str, str]) -> list[Past]:
    """What was held, the newest first."""
    statement = select(table).where(*_ENDED).order_by(table.c.id.desc()).limit(limit)
    for name, value in named.items():
        statement = statement.where(table.c[name] == value)
    return [_past(row) for row in tx.all(statement)]


def of_run(tx: Tx, run: str) -> tuple[str, list[Past]]:
    """A run's id, also by a unique beginning of it, and what its steps held.

    Raises:
        UnknownNameError: none of that beginning held anything, or several did.
    """
    begins = table.c.run.startswith(run, autoescape=True)
    later = table.c.id >= run  # a claim is made after its run, and ids are in the order of time
    names = tx.all(select(table.c.run).where(begins, later).distinct().limit(2)) if run else []
    if len(names) != 1 and run not in {row.run for row in names}:
        recent = tx.all(select(table.c.run).distinct().order_by(table.c.run.desc()).limit(50))
        raise unknown("run with a cost", run, [row.run for row in recent], cure="mulle runs list")
    name = run if len(names) != 1 else names[0].run
    return name, [_past(row) for row in tx.all(select(table).where(table.c.run == name, later, *_ENDED))]


def of_model(tx: Tx, version: str) -> tuple[list[Past], int]:
    """What the steps held that taught a model version, wherever they ran; and of how many nothing is recorded."""
    graph = walk(tx, version, "up")
    steps = {edge.target for edge in graph.edges if edge.role == "reuses"}
    adopted = {edge.source for edge in graph.edges if edge.role == "reuses"}
    steps |= {node.name for node in graph.nodes if node.kind == "step_run"} - adopted
    ids = sorted(name.removeprefix("step_run:") for name in steps)
    found = [_past(row) for row in holdings.of_steps(tx, ids) if row.ended is not None]
    return found, len(set(ids) - {each.step_run for each in found})


def _pool(name: str, state: State, admission: Admission) -> PoolNow:
    pool = state.rules.pools[name]
    held = total(live.claim.need for live in state.lives if live.claim.pool == name and live.claim.granted is not None)
    names = {gpu.index: gpu.name for gpu in admission.machine.gpus}
    return PoolNow(
        name=name,
        cpus=pool.amount.cpus,
        memory=pool.amount.memory,
        gpus=pool.amount.gpus,
        cpus_held=held.cpus,
        memory_held=held.memory,
        gpus_held=held.gpus,
        gpu_names=[names.get(device, "") for device in pool.devices],
    )


def _shares(state: State, service: Mapping[tuple[str, str], float]) -> list[Share]:
    found = []
    for pool, known in state.rules.pools.items():
        here = [live.claim for live in state.lives if live.claim.pool == pool]
        for project in sorted({claim.project for claim in here}):
            mine = total(claim.need for claim in here if claim.project == project and claim.granted is not None)
            had = service.get((pool, project), 0.0) / 3600
            weight = state.rules.weight(project)
            found.append(
                Share(pool=pool, project=project, share=mine.share(known.amount), weight=weight, had_hours=had)
            )
    return found


def _common(row: Row[Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in kind.__struct_fields__ if hasattr(row, name)}


def _holder(row: Row[Any], at: datetime) -> Holder:
    told = _common(row, Holder) | {"devices": sorted(row.devices), "since": row.granted}
    return Holder(**told | {"seconds": max(0.0, (at - row.granted).total_seconds())})


def _queued(row: Row[Any], place: int, waiting: Waiting, at: datetime) -> Queued:
    told = _common(row, Queued) | {"place": place, "why": waiting.why, "lacking": waiting.lacking, "of": waiting.of}
    told |= {"since": row.asked, "seconds": max(0.0, (at - row.asked).total_seconds()), "text": why_in_words(waiting)}
    return Queued(**told)


def _next(row: Row[Any], place: int, at: datetime) -> Queued:
    told = _common(row, Queued) | {"place": place, "why": "turn", "lacking": [], "of": ""}
    told |= {"text": "it is about to begin"}
    return Queued(**told | {"since": row.asked, "seconds": max(0.0, (at - row.asked).total_seconds())})


def _past(row: Row[Any]) -> Past:
    return Past(**_common(row, Past) | {"waited": max(0.0, (row.granted - row.asked).total_seconds())})
