"""A process that commits and removes versions, or collects garbage, for a while: WORKSPACE ROLE SEED."""

from __future__ import annotations

import contextlib
import random
import shutil
import sys
from pathlib import Path

import polars as pl

import mulle.testing.schema
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService, parts
from mulle.errors import DataError, StoreError
from mulle.store import LocalStore

ROUNDS = 25


def rows(source: random.Random) -> pl.DataFrame:
    """One of a few tables, so that what one process lets go another one puts again."""
    chosen = random.Random(source.randrange(6))
    return pl.DataFrame({"x": [chosen.randbytes(300).hex() for _ in range(40)]})


def main(root: Path, role: str, seed: int) -> None:
    mulle.testing.schema.import_all_tables()
    clock, source = SystemClock(), random.Random(seed)
    catalog = Catalog.open(root / "catalog.db", clock, ClockIds(clock), durable=False)
    for _ in range(ROUNDS):
        store = LocalStore(root, durable=False, pack_limit=60_000)
        data = DataService(catalog, store, root.parent)
        if role == "gc":
            with contextlib.suppress(StoreError):  # refused without a grace: somebody is at work
                data.gc(grace=source.choice(["0s", "10ms", "50ms"]))
        elif role == "files":
            folder = root.parent / f"files-{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "deep").mkdir(parents=True)
            for number in range(12):
                (folder / "deep" / str(number)).write_bytes(random.Random(source.randrange(40)).randbytes(3_000))
            made = data.commit(f"f{seed}", folder)
            data.checkout(made.ref, root.parent / f"out-{seed}", force=True)
            if made.number > 1:
                with contextlib.suppress(DataError):  # it is the same as before: the head
                    data.rm(f"f{seed}@{data.versions(f'f{seed}')[-1].number}")
        else:
            name = f"d{source.randrange(2)}"
            made = data.commit(name, rows(source))
            parts.forget()
            assert data.read(made).height == 40
            with contextlib.suppress(Exception):  # another process has removed it, or it is the head
                old = source.choice(data.versions(name))
                data.rm(old.ref)
        store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
