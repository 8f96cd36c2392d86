"""Tunes the project in a folder, as the command line does: `python tuner.py ROOT TRIALS JOBS`."""

from __future__ import annotations

import sys

from tests.tuning.curves import SPACE

from mulle.workspace import Workspace


def main(root: str, trials: str, jobs: str) -> None:
    with Workspace.open(root) as ws:
        ws.tune("main", SPACE, metric="auc", study="s", trials=int(trials), jobs=int(jobs))


if __name__ == "__main__":
    main(*sys.argv[1:])
