"""AutoML on 50,000 flights, judged on the newest fifth, beside FLAML with as many CPU seconds on the same rows.

sh scripts/install_flaml.sh && python -m benchmarks.automl [SECONDS] [SEEDS]
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from benchmarks.harness import MULLE, Figure, publish

HERE = Path(__file__).parent
PEER = HERE.parent / ".venv" / "peers" / "flaml" / "bin" / "python"
ROWS = 50_000
SECONDS = 60.0
SEEDS = 3
SHARE = 0.2
_RETRIES = 2
_AS_MANY = 0.95


def flights(seed: int) -> pl.DataFrame:
    """Flights with the weather at their airport, without what is known only when the answer is."""
    sys.path.insert(0, str(HERE.parent / "examples" / "flights"))
    from table import flights, weather  # noqa: PLC0415 - the example's module

    joined = flights().join(weather(), on=["origin", "time_hour"], how="left")
    known = joined.drop_nulls("late").drop("dep_delay", "arr_delay", "flight_id")
    return known.sample(ROWS, seed=seed).sort("time_hour", maintain_order=True)


def ours(rows: pl.DataFrame, seconds: float, seed: int) -> dict[str, Any]:
    """`mulle automl`, the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "mulle.toml").write_text('[project]\nname = "flights"\n')
        rows.write_parquet(root / "flights.parquet")
        mulle = [str(MULLE), "-C", folder]
        commit = [*mulle, "data", "commit", "flights", str(root / "flights.parquet"), "--time", "time_hour"]
        subprocess.run(commit, check=True, capture_output=True)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        asked = ["automl", "flights", "--target", "late", "--budget", f"{seconds}s", "--seed", str(seed), "--json"]
        done = subprocess.run([*mulle, *asked], check=True, capture_output=True, text=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report = found["study"]["report"]
    members = [one["learner"] for one in report["members"]]
    return {"auc": found["score"], "wall": wall, "cpu": cpu, "first": found["first_seconds"], "best": members} | {
        "fits": report["fits"]
    }


def theirs(rows: pl.DataFrame, cpu: float, seconds: float, seed: int) -> dict[str, Any]:
    """FLAML, given time until it has had as many CPU seconds."""
    ordered = rows.sort("time_hour", maintain_order=True)
    cut = ordered["time_hour"][int(len(ordered) * (1 - SHARE))]
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder) / "train.parquet", Path(folder) / "test.parquet"
        ordered.filter(pl.col("time_hour") < cut).write_parquet(train)
        ordered.filter(pl.col("time_hour") >= cut).write_parquet(test)
        budget, found = seconds, {}
        for _ in range(_RETRIES):
            command = [PEER, HERE / "flaml_peer.py", train, test, "late", str(budget), str(seed)]
            done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            if found["cpu"] >= _AS_MANY * cpu:
                break
            budget *= cpu / found["cpu"] * 1.05
    return {**found, "budget": budget}


def main(seconds: float = SECONDS, seeds: int = SEEDS) -> list[Figure]:
    """Measure and publish."""
    pairs = []
    for seed in range(seeds):
        rows = flights(seed)
        mine = ours(rows, seconds, seed)
        print("mulle", mine, flush=True)
        other = theirs(rows, mine["cpu"], seconds, seed)
        print("FLAML", other, flush=True)
        pairs.append((mine, other))
    auc, other_auc = (statistics.mean(pair[place]["auc"] for pair in pairs) for place in (0, 1))
    over = max(mine["wall"] for mine, _ in pairs) / seconds
    figures = [
        _figure(f"AUC {auc:.4f} on the newest fifth (FLAML {other_auc:.4f})", pairs, met=auc >= other_auc),
        _figure(f"budget of {seconds:.0f} s: {over:.3f} of it at most", pairs, met=over <= 1.05),
        _figure(f"first answer after {max(m['first'] for m, _ in pairs):.1f} s at most", pairs),
    ]
    publish("automl", figures, pairs=pairs)
    return figures


def _figure(name: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]], *, met: bool | None = None) -> Figure:
    mine, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    walls = [one["wall"] for one in mine]
    figure = Figure(
        name=name,
        n=len(pairs),
        wall=statistics.median(walls),
        cpu=statistics.median(one["cpu"] for one in mine),
        wall_low=min(walls),
        wall_high=max(walls),
        baseline="FLAML",
        baseline_wall=statistics.median(one["wall"] for one in other),
        baseline_cpu=statistics.median(one["cpu"] for one in other),
    )
    return msgspec.structs.replace(figure, met=met)


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((float, int), sys.argv[1:], strict=False)))
