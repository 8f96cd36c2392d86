"""One-row requests over HTTP: CPU of the serving process, beside a plain FastAPI app around the same model.

StandardScaler and gradient boosting (100 trees of depth 3) on 20 features, 64 connections in a closed loop, one server
process each. mulle checks columns by name, gives every answer an id and logs it before it is sent; the FastAPI app does
neither. The load comes from a process of its own.
"""

from __future__ import annotations

import json
import pickle
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import psutil
from benchmarks.harness import Cost, Figure, Subject, measure, publish

from mulle.access import Signer
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.flavors import Model
from mulle.predictions import PredictionLog, Predictions
from mulle.registry import Registry
from mulle.serving import Deployments, Server
from mulle.serving.server import Layout
from mulle.store import LocalStore

FEATURES, CONNECTIONS, REQUESTS, BUDGET = 20, 64, 12_000, 0.25


def trained() -> tuple[object, pl.DataFrame]:
    from sklearn.ensemble import GradientBoostingClassifier  # noqa: PLC0415 - start-up time
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - start-up time
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - start-up time

    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, FEATURES))
    model = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0))
    model.fit(values, values[:, 0] + values[:, 1] * values[:, 2] + rng.normal(size=2000) > 0)
    return model, pl.DataFrame({f"x{place}": values[:, place] for place in range(FEATURES)})


def loaded(pid: int, port: int, path: str, body: str) -> Subject:
    """A subject that puts a load on a server and tells what one request cost its process."""
    process = psutil.Process(pid)

    def call() -> Cost:
        before = process.cpu_times()
        told = run_load(port, path, body)
        after = process.cpu_times()
        assert told["failures"] == 0, told
        cpu = after.user + after.system - before.user - before.system
        return Cost(told["seconds"] / REQUESTS, cpu / REQUESTS)

    return call


def run_load(port: int, path: str, body: str) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.load", str(port), path, body, str(CONNECTIONS), str(REQUESTS)]
    done = subprocess.run(words, capture_output=True, check=True, cwd=Path(__file__).parent.parent)
    return json.loads(done.stdout)


def plain(model: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "benchmarks.plain_fastapi", str(port), str(model)]
    process = subprocess.Popen(words, cwd=Path(__file__).parent.parent)
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/docs", timeout=1).read()
        except OSError:
            time.sleep(0.1)
        else:
            return process, port
    raise RuntimeError("the FastAPI app does not answer")


def served(root: Path, model: Model, act: Callable[[Server, Path], list[Figure]]) -> list[Figure]:
    root.mkdir()
    clock = SystemClock()
    catalog = Catalog.create(root / "catalog.db", clock, ClockIds(clock))
    registry = Registry(catalog, LocalStore(root / "objects"), Signer(root / "keys"), root / "cache")
    version = registry.add("boosted", model)
    deployments = Deployments(catalog, registry, root / "serving")
    deployments.deploy("boosted", version.ref)
    log = PredictionLog(root / "predictions", root / "spool")
    predictions = Predictions(catalog, log, registry, None, deployments.names)
    layout = Layout(spool=root / "spool", keys=root / "keys", state=root / "serving")
    with Server(deployments, layout, port=0, compact=predictions.compact) as server:
        figures = act(server, registry.engine_directory(version))
    print(f"  engine: {registry.show(version.ref).engine}")
    print(f"  logged: {log.scan('boosted', columns=['id']).height}")
    return figures


def main() -> list[Figure]:
    model, rows = trained()
    row = [round(value, 6) for value in rows.row(0)]
    by_name = json.dumps({"rows": [dict(zip(rows.columns, row, strict=True))]})
    by_place = json.dumps({"rows": [row]})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "model.pkl").write_bytes(pickle.dumps(model))

        def act(server: Server, engine: Path) -> list[Figure]:
            port = int(server.url.rsplit(":", 1)[1])
            subject = loaded(server.pids[0], port, "/predict/boosted", by_name)
            return [beside(subject, path, name, by_place, budget) for name, path, budget in (
                ("FastAPI + scikit-learn", root / "model.pkl", BUDGET),
                ("FastAPI + ONNX Runtime", engine / "model.onnx", None),
            )]  # fmt: skip

        figures = served(root / "workspace", Model(model, example=rows), act)
    publish("serving", figures, connections=CONNECTIONS, requests=REQUESTS)
    return figures


def beside(subject: Subject, path: Path, name: str, body: str, budget: float | None) -> Figure:
    process, port = plain(path)
    try:
        baseline = loaded(process.pid, port, "/predict", body)
        return measure(
            f"one-row request, against {name}", subject, n=5, baseline=(name, baseline), budget=budget, of="cpu_ratio"
        )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
