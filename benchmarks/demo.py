"""The main job: `mulle demo` whole, and what it costs beside its distinct trainings; the no-op run of its project."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import msgspec
from benchmarks.harness import MULLE, PYTHON, Cost, Figure, command, measure, publish

WALL_SECONDS = 240.0
MEMORY_MB = 2048


def main() -> list[Figure]:
    """Measure once (it takes minutes) and publish."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "demo"
        whole = command([MULLE, "demo", workspace], cwd=Path(folder))()
        report = json.loads((workspace / "report.json").read_text())
        cost = report["cost"]
        again = command([MULLE, "-C", workspace, "run", "delay", "--json"])
        imported = ("importing the project", command([PYTHON, "-c", "import project"], cwd=workspace))
        noop = measure("mulle run delay, all memoised", again, n=7, baseline=imported, budget=0.5, of="wall_over")
    trainings = Cost(cost["training_cpu_seconds"], cost["training_cpu_seconds"])
    memory = f"peak memory {cost['peak_memory_mb']} MB (budget {MEMORY_MB})"
    figures = [
        _once("mulle demo, whole", whole, budget=WALL_SECONDS, measure="wall", note=memory),
        _once(
            f"backtest beside its {cost['distinct_trainings']} distinct trainings",
            Cost(cost["backtest_wall_seconds"], cost["backtest_cpu_seconds"]),
            beside=trainings,
            budget=1.2,
            measure="cpu_ratio",
        ),
        noop,
    ]
    publish("demo", figures, cost=cost, chosen=report["chosen"], policies=_short(report["policies"]))
    return figures


def _once(name: str, cost: Cost, *, budget: float, measure: str, beside: Cost | None = None, note: str = "") -> Figure:
    figure = Figure(
        name=name,
        n=1,
        wall=cost.wall,
        cpu=cost.cpu,
        wall_low=cost.wall,
        wall_high=cost.wall,
        note=note,
        measure=measure,
    )
    if beside is not None:
        ratios = {"wall_ratio": cost.wall / beside.wall, "cpu_ratio": cost.cpu / beside.cpu}
        there = {"baseline": "the trainings alone", "baseline_wall": beside.wall, "baseline_cpu": beside.cpu}
        figure = msgspec.structs.replace(figure, **there, **ratios)
    return msgspec.structs.replace(figure, budget=budget, met=figure.value <= budget)


def _short(policies: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    wanted = ("mean_auc", "mean_log_loss", "regret", "retrainings", "promotions", "alerts", "cpu_seconds")
    return {name: {key: one[key] for key in wanted} for name, one in policies.items()}


if __name__ == "__main__":
    main()
