"""A process that commits to main and to a branch of its own, merging the one into the other.

python brancher.py FOLDER NAME COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
from tests.data.collector import opened

from mulle.verbs import acting


def main() -> None:
    folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    data = opened(folder)
    with acting(actor=name):
        data.branch("x", f"of-{name}")
        for number in range(count):
            mine = pl.DataFrame({"id": [f"{name}-{number}"], "branch": ["main"]})
            data.commit("x", mine, append=True, key=["id"])
            data.commit("x", mine.with_columns(id=pl.col("id") + "-own"), append=True, branch=f"of-{name}")
            data.tag("x", f"{name}-{number}", f"of-{name}")


if __name__ == "__main__":
    main()
