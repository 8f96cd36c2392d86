"""Backfills in the catalog: functions beneath the verbs, each within a given transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert, select, update

from mulle.delivery.backfill.model import Backfill, BackfillStatus, Request, Window, WindowState, WindowStatus
from mulle.delivery.tables import backfill, backfill_window
from mulle.errors import UnknownNameError, unknown
from mulle.hashing import digest_value
from mulle.resources.process import Process, lives, this_process
from mulle.verbs import current

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Tx

_STATE = WindowState.__struct_fields__
_ASKED = ("pipeline", "start", "end", "every", "partition", "params", "jobs", "again", "newest_first")


def identity(pipeline: str, params: Mapping[str, Any], as_of: datetime | None) -> str:
    """What the run of a window computes; `params` are all of the pipeline's, as a run records them."""
    return digest_value(["window", pipeline, dict(params), as_of])


def begin(tx: Tx, asked: Request, windows: Sequence[tuple[Window, str, str]]) -> str:
    """Record a backfill that this process does: each window with its identity and the run that it has already."""
    made, acting = tx.new_id(), current()
    values = {name: getattr(asked, name) for name in _ASKED}
    state = {"status": "running", "cancel_requested": False, "process": this_process()}
    tx.execute(insert(backfill).values(id=made, at=tx.now, actor=acting.actor, reason=acting.reason, **values, **state))
    rows = [
        {
            **msgspec.structs.asdict(window),
            "backfill": made,
            "number": number,
            "identity": name,
            "status": "present" if run else "pending",
            "run": run,
            "seconds": 0.0,
            "error": "",
        }
        for number, (window, name, run) in enumerate(windows)
    ]
    tx.execute(insert(backfill_window), rows)
    missing = sum(not run for _, _, run in windows)
    tx.event(f"backfill:{made}", {"pipeline": asked.pipeline, "windows": len(rows), "missing": missing})
    return made


def claim(tx: Tx, made: str, number: int, *, again: bool) -> WindowStatus:
    """Begin a window: "running"; or "elsewhere" where a living process runs one of the same identity.

    Unless it is to be run again, it is "present" where another backfill has run it since this one was planned.
    """
    mine = (backfill_window.c.backfill == made) & (backfill_window.c.number == number)
    name = tx.scalar(select(backfill_window.c.identity).where(mine))
    same = (
        select(backfill.c.process, backfill.c.status.label("of"), backfill_window.c.status, backfill_window.c.run)
        .join(backfill_window, backfill_window.c.backfill == backfill.c.id)
        .where(backfill_window.c.identity == name, ~mine, backfill_window.c.status.in_(["running", "succeeded"]))
    )
    others = tx.all(same)
    done = next((row.run for row in others if row.status == "succeeded"), "")
    if done and not again:
        note(tx, made, number, status="present", run=done)
        return "present"
    running = [row for row in others if row.of == row.status == "running"]
    elsewhere = any(lives(msgspec.convert(row.process, Process)) for row in running)
    status: WindowStatus = "elsewhere" if elsewhere else "running"
    note(tx, made, number, status=status)
    return status


def note(tx: Tx, made: str, number: int, **values: Any) -> None:
    """Write down how far a window is."""
    mine = (backfill_window.c.backfill == made) & (backfill_window.c.number == number)
    tx.execute(update(backfill_window).where(mine).values(**values))


def end(tx: Tx, made: str, status: str) -> None:
    """Write down how a backfill ended."""
    left = (backfill_window.c.backfill == made) & (backfill_window.c.status == "running")
    tx.execute(update(backfill_window).where(left).values(status="stopped"))
    counts = _counts(tx, made)
    tx.execute(update(backfill).where(backfill.c.id == made).values(status=status))
    tx.event(f"backfill:{made}", {"status": status, **counts}, verb="backfills.end")


def request_cancel(tx: Tx, made: str) -> None:
    """Ask the process that does a backfill to end it."""
    mine = (backfill.c.id == made) & (backfill.c.status == "running")
    tx.execute(update(backfill).where(mine).values(cancel_requested=True))
    tx.event(f"backfill:{made}", {"status": "cancel requested"})


def cancel_requested(tx: Tx, made: str) -> bool:
    """Whether somebody asked for its end."""
    return bool(tx.scalar(select(backfill.c.cancel_requested).where(backfill.c.id == made)))


def get(tx: Tx, made: str) -> Backfill:
    """One backfill, by its id or a unique beginning of it; the newest where none is named.

    Raises:
        UnknownNameError: there is none, or several begin so.
    """
    chosen = select(backfill).order_by(backfill.c.at.desc(), backfill.c.id.desc())
    rows = tx.all((chosen.where(backfill.c.id.startswith(made, autoescape=True)) if made else chosen).limit(2))
    if not rows and not made:
        cure = "mulle backfill PIPELINE --from 2013-01-01 --to 2013-06-01 --every 1d"
        raise UnknownNameError("there is no backfill yet", cause="none was begun in this workspace", cure=cure)
    if not rows or (made and len(rows) > 1):
        known = [row.id for row in tx.all(select(backfill.c.id).order_by(backfill.c.id.desc()).limit(50))]
        raise unknown("backfill", made, known, cure="mulle backfill list")
    return _backfill(tx, rows[0])


def listed(tx: Tx, pipeline: str, limit: int) -> list[Backfill]:
    """The newest first, of one pipeline where one is named."""
    chosen = select(backfill).order_by(backfill.c.at.desc(), backfill.c.id.desc()).limit(limit)
    rows = tx.all(chosen.where(backfill.c.pipeline == pipeline) if pipeline else chosen)
    return [_backfill(tx, row) for row in rows]


def windows(tx: Tx, made: str) -> list[WindowState]:
    """The windows of a backfill in the order in which they are run; those of a process that is gone are stopped."""
    rows = tx.all(select(backfill_window).where(backfill_window.c.backfill == made).order_by(backfill_window.c.number))
    found = [WindowState(**{name: getattr(row, name) for name in _STATE}) for row in rows]
    if _lost(tx.one(select(backfill).where(backfill.c.id == made))):
        open_ones = {"running", "pending"}
        return [msgspec.structs.replace(each, status="stopped") if each.status in open_ones else each for each in found]
    return found


def _lost(row: Row[Any] | None) -> bool:
    return row is not None and row.status == "running" and not lives(msgspec.convert(row.process, Process))


def _backfill(tx: Tx, row: Row[Any]) -> Backfill:
    names = [name for name in Backfill.__struct_fields__ if name not in {"counts", "status"}]
    status: BackfillStatus = "stopped" if _lost(row) else row.status
    return Backfill(**{name: getattr(row, name) for name in names}, counts=_counts(tx, row.id), status=status)


def _counts(tx: Tx, made: str) -> dict[str, int]:
    return dict(Counter[str](each.status for each in windows(tx, made)))
