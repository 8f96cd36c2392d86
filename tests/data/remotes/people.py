"""People who share datasets: each has a workspace, all have one remote."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import uvicorn

from mulle.catalog import Catalog
from mulle.clock import ClockIds, VirtualClock
from mulle.data.model import Version
from mulle.data.remotes import Remotes
from mulle.data.service import DataService
from mulle.http.app import app
from mulle.store import LocalStore
from mulle.verbs import acting

PACK = 1 << 20
"""Small packs, so that there are many of them."""


class Person:
    """Somebody with a workspace in a folder of their own."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = folder.name
        self.folder = folder
        self._clock = clock
        path = folder / "catalog.db"
        begin = Catalog.open if path.exists() else Catalog.create
        self.catalog = begin(path, clock, ClockIds(clock), durable=False)
        self.store = LocalStore(folder / "store", durable=False)
        self.remotes = Remotes(self.catalog, self.store, root=folder, cache=folder / "cache", pack=PACK)
        self.data = DataService(self.catalog, self.store, folder, remotes=lambda: self.remotes)

    @property
    def root(self) -> Path:
        """The workspace's own folder."""
        return self.folder

    def services(self) -> Mapping[str, Any]:
        """What a server over this workspace answers."""
        return {"data": self.data}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.store.close()
        self.catalog.close()

    def rows(self, name: str, *values: int, branch: str = "main") -> Version:
        """Add rows with these keys."""
        self._clock.advance(timedelta(minutes=1))
        table = pl.DataFrame({"key": values, "text": [f"{self.name} {value}" for value in values]})
        with acting(actor=self.name):
            there = self.data.find_head(name) is not None
            return self.data.commit(name, table, f"{self.name}: {values}", append=there, key=["key"], branch=branch)

    def files(self, name: str, **contents: bytes) -> Version:
        """Make a version of a folder of these files, and those before; `__` in a name is a folder's end."""
        self._clock.advance(timedelta(minutes=1))
        folder = self.folder / "files" / name
        for path, content in contents.items():
            target = folder / path.replace("__", "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        with acting(actor=self.name):
            return self.data.commit(name, str(folder), f"{self.name}: {', '.join(contents)}")

    def contents(self, ref: str) -> dict[str, bytes]:
        """The files of a version."""
        target = self.folder / "out" / os.urandom(4).hex()
        self.data.checkout(ref, target)
        return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@contextmanager
def serving(person: Person) -> Iterator[str]:
    """The URL of a server over somebody's workspace."""
    server = uvicorn.Server(uvicorn.Config(app(person), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
