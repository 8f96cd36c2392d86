"""What a run writes about its steps: their rows, and the lineage between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import and_, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from mulle.errors import unknown
from mulle.hashing import digest_value
from mulle.pipelines.model import GraphEdge, GraphNode, NodeKind, RunGraph, Sample, StepRun, StepStatus
from mulle.pipelines.tables import flight, run_graph, step_run
from mulle.tracking import runs

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Tx
    from mulle.pipelines.graph import Graph

_COLUMNS = StepRun.__struct_fields__
_INSERT = insert(step_run)
_WRITE = _INSERT.on_conflict_do_update(
    index_elements=["id"],
    set_={column.name: _INSERT.excluded[column.name] for column in step_run.c if column.name != "id"},
)
"""Built once: building statements costs more than running them."""


def write_graph(tx: Tx, run: str, graph: Graph) -> None:
    """Record the shape of a run's graph, as it is now."""
    nodes = [[node.name, node.kind] for node in graph.nodes]
    statement = insert(run_graph).values(run=run, nodes=nodes, edges=msgspec.to_builtins(graph.edges()))
    made = {"nodes": statement.excluded.nodes, "edges": statement.excluded.edges}
    tx.execute(statement.on_conflict_do_update(index_elements=["run"], set_=made))


class Line(NamedTuple):
    """The state of a step run to be recorded, and when it is over, where its outputs came from."""

    row: StepRun
    owner: str
    """Whose metrics and artifacts belong to it."""
    reads: Sequence[tuple[str, str]] = ()
    """Names of dataset versions that it read (`flights@3`), each with the partition of it that it read, or ""."""
    uses: Sequence[str] = ()
    """Ids of the step runs whose outputs it took."""


def write(tx: Tx, run: str, lines: Collection[Line]) -> None:
    """Record step runs of a run: each once, in its last state."""
    if not lines:
        return
    tx.execute(_WRITE, [{**msgspec.structs.asdict(line.row), "owner": line.owner} for line in lines])
    over = [line for line in lines if line.row.status in {"executed", "cached"}]
    for line in over:
        _relate(tx, line)
    runs.link(tx, run, [line.owner for line in over])


def _relate(tx: Tx, line: Line) -> None:
    """Where the outputs of a step that is over came from."""
    row, name = line.row, f"step_run:{line.row.id}"
    tx.node("step_run", name, row.key or digest_value([row.name, row.outputs]))  # an effect is known by what it did
    tx.edge(f"run:{row.run}", name, "executed" if row.status == "executed" else "reused")
    if row.origin != row.id:
        # the original may have run in a fork, whose nodes are not here; what it computed has the same key
        tx.node("step_run", f"step_run:{row.origin}", row.key)
        tx.edge(name, f"step_run:{row.origin}", "reuses")
    for used in line.uses:
        tx.edge(name, f"step_run:{used}", "input")
    for read, partition in line.reads:
        tx.edge(name, f"dataset:{read}", f"read {partition}".rstrip())


def abandon(tx: Tx, run: str, error: str, only: Sequence[str] | None = None) -> None:
    """End the steps of a run whose process is gone, or only the given ones; nobody computes their keys any more."""
    mine = step_run.c.run == run
    if only is not None:
        mine = and_(mine, step_run.c.id.in_(only))
    own = select(step_run.c.id).where(mine)
    tx.execute(delete(flight).where(flight.c.step_run.in_(own)))
    statement = update(step_run).where(mine, step_run.c.status.in_(["running", "pending"]))
    tx.execute(statement.values(status="failed", error=error, ended=tx.now))


def bury(tx: Tx) -> list[str]:
    """Mark the runs whose process is gone, or hangs, as failed, so that others compute what they did; their ids."""
    found = runs.lost(tx)
    for run, what in found.items():
        abandon(tx, run, what)
        runs.finish(tx, run, "failed", what)
    return list(found)


def steps(tx: Tx, run: str) -> list[StepRun]:
    """The step runs of a run, in the order of the pipeline's calls."""
    columns = [step_run.c[name] for name in _COLUMNS]
    rows = tx.all(select(*columns).where(step_run.c.run == run).order_by(step_run.c.position, step_run.c.id))
    return [_step_run(row) for row in rows]


def one(tx: Tx, step: str) -> StepRun:
    """One step run.

    Raises:
        UnknownNameError: there is none of that id.
    """
    row = tx.one(select(*[step_run.c[name] for name in _COLUMNS]).where(step_run.c.id == step))
    if row is None:
        recent = tx.all(select(step_run.c.id).order_by(step_run.c.id.desc()).limit(50))
        raise unknown("step run", step, [each.id for each in recent], cure="mulle runs steps RUN")
    return _step_run(row)


def graph(tx: Tx, run: str) -> RunGraph:
    """A run's graph with the state of each step."""
    row = tx.one(select(run_graph).where(run_graph.c.run == run))
    if row is None:
        return RunGraph(run, [], [])
    known: Mapping[str, Any] = {step.name: step for step in steps(tx, run)}
    nodes = [_node(name, kind, known.get(name)) for name, kind in row.nodes]
    return RunGraph(run, nodes, msgspec.convert(row.edges, list[GraphEdge]))


def _node(name: str, kind: NodeKind, step: StepRun | None) -> GraphNode:
    if step is None:
        return GraphNode(name, kind, "pending")
    status: StepStatus = step.status
    return GraphNode(name, kind, status, step.seconds, step.id)


def _step_run(row: Row[Any]) -> StepRun:
    samples = msgspec.convert(row.samples, list[Sample]) if row.samples else []
    return StepRun(**{**row._mapping, "samples": samples})  # noqa: SLF001 - SQLAlchemy's public name for it
