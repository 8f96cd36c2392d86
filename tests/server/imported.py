"""A project that tells which processes imported it, and how to wait for what a server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PROJECT = '''
"""Numbers arrive daily; a pipeline counts them."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

import mulle
from mulle import Table

time.sleep({importing})
with (Path(__file__).parent / "imports.txt").open("a") as file:
    file.write(f"{{os.getpid()}}\\n")


@mulle.source(every="1d", start="2026-01-01")
def arrivals(start: datetime, end: datetime) -> Table:
    return pl.DataFrame({{"at": [start], "number": [start.day]}})


numbers = mulle.dataset("numbers", source=arrivals, key=["at"], event_time="at")


@mulle.step
def count(factor: int = 1) -> int:
    return factor


@mulle.pipeline
def counting() -> None:
    count()


mulle.trigger(counting, on=[mulle.{cause}])
'''


def project(root: Path, *, cause: str = "demand()", importing: float = 0) -> None:
    """Write the project, or write it anew with another cause."""
    (root / "mulle.toml").write_text('[project]\nname = "counted"\n\n[run]\nexecutor = "in-process"\n')
    (root / "project.py").write_text(PROJECT.format(cause=cause, importing=importing))


def importers(root: Path) -> list[int]:
    """The processes that imported the project, in order."""
    file = root / "imports.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def eventually(found: Callable[[], T], seconds: float = 240) -> T:
    """What `found` returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
