"""The claims in the catalog: statements beneath admission, each within a given transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from mulle.catalog.columns import microseconds
from mulle.resources.amounts import Amount
from mulle.resources.claims import Claim
from mulle.resources.process import Process
from mulle.resources.tables import claim as table
from mulle.resources.tables import share as shares

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Tx

_ASIS = sqlite.dialect(paramstyle="named")
_READ = (
    *("id", "step_run", "run", "project", "user", "pool", "priority", "preempts", "yields", "rank", "gang", "cpus"),
    *("memory", "gpus", "devices", "cores", "asked", "granted", "yields_to", "process", "beat"),
)
_LIVE = str(select(*(table.c[name] for name in _READ)).where(table.c.ended.is_(None)).compile(dialect=_ASIS))
_INSERT = str(insert(table).compile(dialect=_ASIS))
_GRANT = (
    update(table)
    .where(table.c.id == bindparam("which"))
    .values({name: bindparam(name) for name in ("granted", "rank", "devices", "cores", "gpu")})
)
_ENDED = ("ended", "outcome", "seconds", "cpu_seconds", "peak_memory", "gpus_used")
_END = str(
    update(table)
    .where(table.c.id == bindparam("which"))
    .values({name: bindparam(name) for name in _ENDED})
    .compile(dialect=_ASIS)
)
_BEAT = update(table).where(table.c.id == bindparam("which")).values(beat=bindparam("beat"))
_DROP = delete(table).where(table.c.id == bindparam("which"))
_YIELD = update(table).where(table.c.id == bindparam("which")).values(yields_to=bindparam("yields_to"))
_YIELDING = select(table.c.step_run).where(
    table.c.run == bindparam("which"), table.c.ended.is_(None), table.c.yields_to != ""
)
_SHARES = select(shares)
_KEEP_SHARE = insert(shares)
_KEEP_SHARE = _KEEP_SHARE.on_conflict_do_update(
    index_elements=["pool", "project"],
    set_={"service": _KEEP_SHARE.excluded.service, "at": _KEEP_SHARE.excluded.at},
)
"""Built once: building statements costs more than running them."""


class Used(msgspec.Struct, frozen=True):
    """How a step went and what it used: wall and CPU seconds, bytes at the peak, GPUs that it kept busy on average."""

    outcome: str = "done"
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    gpus_used: float = 0.0


class Live(msgspec.Struct, kw_only=True):
    """A claim that waits or holds, with whose it is."""

    claim: Claim
    step_run: str
    run: str
    process: Process
    beat: float
    cores: list[int]
    yields_to: str = ""


def live(tx: Tx) -> list[Live]:
    """All that wait or hold."""
    return [_live(*row) for row in tx.straight(_LIVE, {})]


_UNUSED = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_memory": 0, "gpus_used": 0.0}


def new(live: Live, queue: str, now: datetime) -> dict[str, Any]:
    """The row of a claim that begins to wait, but for what is known of its step."""
    claim = live.claim
    row: dict[str, Any] = {
        name: getattr(claim, name)
        for name in ("id", "project", "user", "pool", "priority", "preempts", "yields", "gang", "rank", "devices")
    }
    row |= {name: getattr(live, name) for name in ("step_run", "run", "process", "beat", "cores", "yields_to")}
    row |= msgspec.structs.asdict(claim.need)
    row |= {"queue": queue, "asked": now, "granted": None, "ended": None, "outcome": "", "gpu": ""}
    return row | _UNUSED


def enter(tx: Tx, row: dict[str, Any]) -> None:
    """Write a new claim."""
    kept = {"asked": microseconds(row["asked"]), "process": _json(row["process"]), "cores": _json(row["cores"])}
    granted = row["granted"]
    kept |= {"devices": _json(row["devices"]), "granted": None if granted is None else microseconds(granted)}
    tx.straight(_INSERT, {**row, **kept})


def grant(tx: Tx, which: str, **values: Any) -> None:
    """A claim that waited holds from now on."""
    tx.execute(_GRANT, {"which": which, **values})


def end(tx: Tx, which: str, used: Used) -> None:
    """A claim that held is over."""
    tx.straight(_END, {"which": which, "ended": microseconds(tx.now), **msgspec.structs.asdict(used)})


def drop(tx: Tx, which: str) -> None:
    """A claim that only waited was never there."""
    tx.execute(_DROP, {"which": which})


def beat(tx: Tx, which: str, at: float) -> None:
    """Whoever waits is still there."""
    tx.execute(_BEAT, {"which": which, "beat": at})


def ask_to_yield(tx: Tx, which: str, to: str) -> None:
    """A claim that holds is to give way to another one."""
    tx.execute(_YIELD, {"which": which, "yields_to": to})


def yielding(tx: Tx, run: str) -> list[str]:
    """The step runs of a run that are to give way."""
    return [row.step_run for row in tx.all(_YIELDING, {"which": run})]


def service(tx: Tx) -> tuple[dict[tuple[str, str], float], float]:
    """What each project has had of each pool, and up to when that is counted."""
    rows = tx.all(_SHARES)
    return {(row.pool, row.project): row.service for row in rows}, max((seconds(row.at) for row in rows), default=0.0)


def keep_service(tx: Tx, found: dict[tuple[str, str], float]) -> None:
    """Write what each project has had up to now."""
    rows = [{"pool": pool, "project": name, "service": had, "at": tx.now} for (pool, name), had in found.items()]
    if rows:
        tx.execute(_KEEP_SHARE, rows)


def seconds(at: datetime) -> float:
    """An instant as the policy counts: seconds since 1970."""
    return at.timestamp()


def of_steps(tx: Tx, step_runs: Sequence[str]) -> list[Row[Any]]:
    """What these step runs held, whether or not they still do."""
    found: list[Row[Any]] = []
    for start in range(0, len(step_runs), 500):
        some = step_runs[start : start + 500]
        found += tx.all(select(table).where(table.c.step_run.in_(some), table.c.granted.is_not(None)))
    return found


def _live(  # noqa: PLR0917 - a row
    which: str,
    step_run: str,
    run: str,
    project: str,
    user: str,
    pool: str,
    priority: int,
    preempts: int,
    yields: int,
    rank: float,
    gang: int,
    cpus: float,
    memory: int,
    gpus: float,
    devices: str,
    cores: str,
    asked: int,
    granted: int | None,
    yields_to: str,
    process: str,
    beat: float,
) -> Live:
    claim = Claim(
        id=which,
        pool=pool,
        project=project,
        user=user,
        need=Amount(cpus, memory, gpus),
        gang=gang,
        priority=priority,
        preempts=bool(preempts),
        yields=bool(yields),
        asked=asked / 1e6,
        granted=None if granted is None else granted / 1e6,
        rank=rank,
        devices=_decoded(devices),
        leaving=bool(yields_to),
    )
    return Live(
        claim=claim,
        step_run=step_run,
        run=run,
        process=_decode_process(process),
        beat=beat,
        cores=_decoded(cores),
        yields_to=yields_to,
    )


_decoded = msgspec.json.Decoder().decode
_decode_process = lru_cache(maxsize=64)(msgspec.json.Decoder(Process).decode)


def _json(value: Any) -> str:
    return _encoder.encode(value).decode() if value else "{}" if isinstance(value, dict) else "[]"


_encoder = msgspec.json.Encoder(order="sorted")
