"""FLAML on the rows of a file, in an environment of its own: `python flaml_peer.py TRAIN TEST TARGET SECONDS SEED`."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")

import pandas as pd  # noqa: E402
from flaml import AutoML  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402


def main(train: str, test: str, target: str, seconds: str, seed: str) -> None:
    rows, aside = pd.read_parquet(train), pd.read_parquet(test)
    began = time.perf_counter()
    automl = AutoML()
    automl.fit(
        rows.drop(columns=[target]),
        rows[target],
        task="classification",
        metric="roc_auc",
        time_budget=float(seconds),
        n_jobs=1,
        seed=int(seed),
        verbose=0,
    )
    wall = time.perf_counter() - began
    scores = automl.predict_proba(aside.drop(columns=[target]))[:, 1]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    auc = float(roc_auc_score(aside[target], scores))
    found = {"auc": auc, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "best": automl.best_estimator}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
