"""The memo: this step with these inputs gave these outputs. One flight for each key; the first commit counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from mulle.pipelines.model import ValueRef
from mulle.pipelines.parts import Code, Parts
from mulle.pipelines.tables import flight, memo, memo_code
from mulle.resources.process import Process, lives, this_process

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx


_FIND = select(memo).where(memo.c.key == bindparam("wanted"))
_HOLDER = select(flight).where(flight.c.key == bindparam("wanted"))
_CLAIM = insert(flight)
_RELEASE = delete(flight).where(flight.c.key == bindparam("wanted"), flight.c.step_run == bindparam("mine"))
_COMMIT = insert(memo).on_conflict_do_nothing()
_TELL = insert(memo_code).on_conflict_do_nothing()
_NEWEST = select(memo).order_by(memo.c.at.desc()).limit(bindparam("most"))
_BY_NAME = _NEWEST.where(memo.c.name == bindparam("wanted"))
_BY_FUNCTION = _NEWEST.where(memo.c.function == bindparam("wanted"))
_BY_CODE = select(memo.c.key).limit(1)
_BY_CODE = _BY_CODE.where(memo.c.function == bindparam("function"), memo.c.code == bindparam("code"))
_CODE = select(memo_code).where(memo_code.c.digest == bindparam("wanted"))
_FORGET = delete(memo).where(memo.c.key == bindparam("wanted"))


class Entry(msgspec.Struct, frozen=True):
    """What a step gave, which step run computed it, and whose records (metrics, artifacts) come with it."""

    outputs: list[ValueRef]
    step_run: str
    owner: str
    seconds: float
    cpu_seconds: float


UNKNOWN = Parts()


class Memo:
    """The memo of a catalog. A forked catalog may use the memo of the one it was forked from."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @contextmanager
    def within(self, catalog: Catalog, tx: Tx) -> Iterator[Tx]:
        """A transaction on the memo: the given one where the memo lies in that catalog, else one of its own."""
        if catalog is self.catalog:
            yield tx
        else:
            with self.catalog.write() as own:
                yield own


_held: set[str] = set()
"""The step runs that this process computes: a claim of its own that is not among them is one that it left behind."""


_landing = threading.Condition()


def landed() -> None:
    """Something that was computed in this process has been committed or given up."""
    with _landing:
        _landing.notify_all()


def await_landing(seconds: float) -> None:
    """Wait until something lands in this process, or for so long: what other processes compute lands unheard."""
    with _landing:
        _landing.wait(seconds)


def find(tx: Tx, key: str) -> Entry | None:
    """The entry of a key, if it has been computed."""
    row = tx.execute(_FIND, {"wanted": key}).first()
    if row is None:
        return None
    refs = msgspec.convert(row.outputs, list[ValueRef])
    return Entry(refs, row.step_run, row.owner, row.seconds, row.cpu_seconds)


class Former(msgspec.Struct, frozen=True):
    """A computation that the memo knows: what its key was made of, which step run it was, how long it took."""

    parts: Parts
    step_run: str
    seconds: float


def formers(tx: Tx, name: str, function: str, most: int = 20) -> list[Former]:
    """The newest computations of a step, by its name in the graph; of its function where that name has none."""
    rows = tx.all(_BY_NAME, {"wanted": name, "most": most}) or tx.all(_BY_FUNCTION, {"wanted": function, "most": most})
    codes = {code: _code(tx, code) for code in {row.code for row in rows}}
    parts = (Parts(row.function, codes[row.code], row.inputs, row.settings) for row in rows)
    return [Former(made, row.step_run, row.seconds) for made, row in zip(parts, rows, strict=True)]


def computed(tx: Tx, parts: Parts) -> bool:
    """Whether the memo knows of any computation by this function and code, whatever its inputs were."""
    return tx.execute(_BY_CODE, {"function": parts.function, "code": parts.code.digest}).first() is not None


def _code(tx: Tx, digest: str) -> Code:
    row = tx.execute(_CODE, {"wanted": digest}).first()
    return Code(digest) if row is None else Code(row.digest, row.reached, row.packages)


def claim(tx: Tx, key: str, step_run: str, admitted: Callable[[], bool] = lambda: True) -> bool:
    """Begin to compute a key, unless a living process does so already, or there is no room for it.

    Args:
        tx: the transaction.
        key: what is computed.
        step_run: who computes it.
        admitted: asked when nobody else computes it: whether there is room.
    """
    row = tx.execute(_HOLDER, {"wanted": key}).first()
    mine = this_process()
    if row is not None:
        holder = msgspec.convert(row.process, Process)
        left_behind = holder == mine and row.step_run not in _held
        if row.step_run != step_run and lives(holder) and not left_behind:
            return False
        tx.execute(delete(flight).where(flight.c.key == key))
    if not admitted():
        return False
    tx.execute(_CLAIM, {"key": key, "step_run": step_run, "process": mine})
    _held.add(step_run)
    return True


def abandon(step_runs: Iterable[str]) -> None:
    """This process computes these no more, whether or not the catalog could still be told."""
    _held.difference_update(step_runs)


def release(tx: Tx, key: str, step_run: str) -> None:
    """Give up or end the computation of a key."""
    tx.execute(_RELEASE, {"wanted": key, "mine": step_run})


def commit(tx: Tx, key: str, name: str, entry: Entry, parts: Parts = UNKNOWN) -> Entry:
    """Enter what was computed, and what its key was made of; the entry that counts, an earlier one where there is one.

    Args:
        tx: the transaction.
        key: the memo key.
        name: the step's name in its graph.
        entry: what was computed.
        parts: what the key was made of; without it a later plan cannot tell what changed since.
    """
    row: Mapping[str, Any] = {"key": key, "name": name, "at": tx.now, **msgspec.to_builtins(entry)}
    made = {"function": parts.function, "code": parts.code.digest, "inputs": parts.inputs, "settings": parts.settings}
    done = tx.execute(_COMMIT, {**row, **made})
    release(tx, key, entry.step_run)
    if done.rowcount:
        if parts.code.digest:
            tx.execute(_TELL, msgspec.to_builtins(parts.code))
        return entry
    found = find(tx, key)
    assert found is not None
    return found


def forget(tx: Tx, key: str) -> None:
    """Drop an entry whose outputs are lost: the step is computed anew."""
    tx.execute(_FORGET, {"wanted": key})
