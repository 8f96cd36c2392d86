"""From a study's log into the catalog: its trials as rows, each state once, however many processes do it at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from mulle.hashing import digest_value
from mulle.tuning import tables
from mulle.tuning.model import Trial

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Catalog, Tx
    from mulle.tuning.facts import Attempt
    from mulle.tuning.log import StudyLog

_INSERT = insert(tables.trial)
_KEEP = _INSERT.on_conflict_do_update(
    index_elements=["study", "number"],
    set_={column.name: _INSERT.excluded[column.name] for column in tables.trial.c if not column.primary_key},
)
_TAKEN = select(tables.study.c.taken)


def take_over(catalog: Catalog, name: str, log: StudyLog) -> None:
    """Bring the rows of a study's trials up to what its log says by now."""
    with log.lock:
        log.refresh()
        with catalog.read() as tx:
            taken = int(tx.scalar(_TAKEN.where(tables.study.c.name == name)) or 0)
        if taken >= log.end:
            return
        with catalog.write() as tx:
            taken = int(tx.scalar(_TAKEN.where(tables.study.c.name == name)) or 0)
            changed = [attempt for attempt in log.history.attempts if attempt.changed > taken]
            if taken >= log.end:
                return
            if changed:
                tx.execute(_KEEP, [_row(name, attempt) for attempt in changed])
            for attempt in changed:
                _link(tx, name, attempt)
            workers = msgspec.to_builtins(log.history.workers)
            statement = update(tables.study).where(tables.study.c.name == name)
            tx.execute(statement.values(taken=log.end, workers=workers))


def trials(tx: Tx, name: str) -> list[Trial]:
    """The trials of a study by number."""
    statement = select(tables.trial).where(tables.trial.c.study == name).order_by(tables.trial.c.number)
    return [trial_of(row) for row in tx.all(statement)]


def trial_of(row: Row[Any]) -> Trial:
    """A row as the record that it is of."""
    fields = {
        name: getattr(row, name)
        for name in Trial.__struct_fields__
        if name not in {"reports", "values", "started", "ended"}
    }
    fields["reports"] = [{"step": step, "value": _number(value)} for step, value in row.reports]
    fields["values"] = [_number(value) for value in row._mapping["values"]]  # noqa: SLF001 - SQLAlchemy's public name
    return msgspec.structs.replace(msgspec.convert(fields, Trial), started=row.started, ended=row.ended)


def _row(name: str, attempt: Attempt) -> dict[str, Any]:
    return {
        "study": name,
        "number": attempt.number,
        "status": attempt.status,
        "params": attempt.params,
        "values": [_plain(value) for value in attempt.values],
        "reports": [[step, _plain(value)] for step, value in attempt.reports.items()],
        "run": attempt.run,
        "started": attempt.started,
        "ended": attempt.ended,
        "error": attempt.error,
        "attributes": attempt.notes,
    }


def _plain(value: float) -> float | str:
    """A number as JSON has it; what JSON has no number for, as text."""
    return value if math.isfinite(value) else repr(value)


def _number(value: float | str) -> float:
    return float(value)


def _link(tx: Tx, name: str, attempt: Attempt) -> None:
    """A trial's run belongs to its study, also in the lineage."""
    if attempt.run and attempt.over:
        tx.node("study", f"study:{name}", digest_value(name))
        tx.edge(f"study:{name}", f"run:{attempt.run}", f"trial {attempt.number}")
