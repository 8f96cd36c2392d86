"""Runs that somebody else drives, one step a process: what such a run reads is fixed once, under a key of theirs.

A workflow engine calls `mulle step` for each node of an exported pipeline. The first call under a key makes the run and
fixes the dataset versions and the instant; every later one finds both, and the outputs of the steps before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, insert, select

from mulle.errors import PipelineError, UsageError, unknown
from mulle.pipelines import journal
from mulle.pipelines.model import StepRun, ValueRef
from mulle.pipelines.tables import run_pin, step_run
from mulle.resources.process import Process
from mulle.tracking import runs

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.pipelines.graph import Graph, Node

OVER = frozenset({"executed", "cached", "skipped"})
_DRIVEN = "driven from outside: "


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What a run under a key is fixed to. `heads` are references of dataset versions (`flights@3`) by dataset."""

    key: str
    run: str
    pipeline: str
    params: dict[str, Any]
    as_of: datetime | None
    heads: dict[str, str]
    project_version: str


@dataclass(frozen=True)
class Part:
    """What one process does of a run that others drive too: one step, given what is `done` by name.

    The name of a step that goes over a list means all of its items (`measure[…]`), whichever these turn out to be.
    """

    pin: Pin
    step: str
    done: Mapping[str, StepRun]

    def means(self, name: str) -> bool:
        """Whether a node is of this part."""
        return bool(self.step) and (name == self.step or name.startswith(f"{self.step}["))

    def check(self, unfinished: Iterable[Node]) -> None:
        """Refuse to call the part done while one of its nodes is not.

        Raises:
            PipelineError: says which step has to be done before, and how.
        """
        left = {node.name: node for node in unfinished}
        for name, node in left.items():
            missing = [each.name for each in node.depends() if each.name in left]
            if self.means(name):
                before = missing[0] if missing else "a step before it"
                raise PipelineError(
                    f"the step '{name}' cannot begin",
                    cause=f"it takes what '{before}' gives, which is not done in the run of the key '{self.pin.key}'",
                    cure=f"mulle step {self.pin.pipeline} '{before}' --run-key '{self.pin.key}'",
                )


def find(tx: Tx, key: str) -> Pin | None:
    """What was fixed under a key; None where nothing was yet."""
    row = tx.one(select(run_pin).where(run_pin.c.key == key))
    return None if row is None else Pin(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def fix(tx: Tx, pin: Pin, graph: Graph) -> Pin:
    """Begin a run under a key, or give the one that another process began meanwhile."""
    found = find(tx, pin.key)
    if found is not None:
        return found
    run = runs.create(
        tx,
        kind="pipeline",
        pipeline=pin.pipeline,
        params=pin.params,
        as_of=pin.as_of,
        project_version=pin.project_version,
        process=Process(f"{_DRIVEN}{pin.key}", 0, 0.0),
    )
    journal.write_graph(tx, run, graph)
    made = msgspec.structs.replace(pin, run=run)
    tx.execute(insert(run_pin).values(msgspec.structs.asdict(made)))
    return made


def check(pin: Pin, pipeline: str, params: Mapping[str, Any], as_of: datetime | None) -> None:
    """Refuse a call under a key that stands for something else.

    Raises:
        UsageError: the key is another pipeline's, or was used with other parameters or another instant.
    """
    plain = msgspec.json.decode(msgspec.json.encode(dict(params)))  # as it was kept: tuples are lists
    asked = {"pipeline": pipeline, "params": plain, "as_of": as_of or pin.as_of}
    for what, given in asked.items():
        if given != getattr(pin, what):
            raise UsageError(
                f"the run key '{pin.key}' stands for another run",
                cause=f"its {what} is {getattr(pin, what)}, not {given}",
                cure="give each run a key of its own, and all steps of one run the same parameters",
            )


def part(tx: Tx, pin: Pin, names: Collection[str], step: str) -> Part:
    """The part of a run that is one step, of those that its pipeline has (`names`).

    Raises:
        UnknownNameError: there is no such step.
    """
    if step not in names and step.partition("[")[0] not in names:
        raise unknown("step", step, set(names), cure="use one of them")
    return Part(pin, step, done(tx, pin))


def done(tx: Tx, pin: Pin) -> dict[str, StepRun]:
    """The steps of a run that are over, by name."""
    return {row.name: row for row in journal.steps(tx, pin.run) if row.status in OVER}


def join(tx: Tx, mine: Part) -> str:
    """Begin on a part: what was left unfinished of it begins anew, and a run that had failed goes on; the run's id."""
    run = mine.pin.run
    stale = [row.id for row in journal.steps(tx, run) if row.status not in OVER and mine.means(row.name)]
    if stale:
        tx.execute(delete(step_run).where(step_run.c.id.in_(stale)))
    if mine.step:
        runs.reopen(tx, run)
    return run


def leave(tx: Tx, mine: Part, names: Collection[str], error: str) -> None:
    """A part is over: with an error so is its run, and it is when all of its steps (`names`) are.

    Where somebody else did the same step at the same time, only one record of it stays.
    """
    over: dict[str, str] = {}
    for row in journal.steps(tx, mine.pin.run):
        if row.status in OVER and over.setdefault(row.name, row.id) != row.id:
            tx.execute(delete(step_run).where(step_run.c.id == row.id))
    if error or over.keys() >= set(names):
        runs.finish(tx, mine.pin.run, "failed" if error else "succeeded", error)


def outputs(row: StepRun) -> list[ValueRef]:
    """What a step run gave; nothing for an effect."""
    return [] if row.kind == "effect" else msgspec.convert(row.outputs, list[ValueRef])
