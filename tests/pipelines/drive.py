"""Runs a pipeline of the project in a folder, as the command line does, and prints the result as JSON.

python drive.py ROOT PIPELINE [EXECUTOR [WORKERS]] [NAME=VALUE ...]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import mulle.registry.tables
import mulle.tracking.tables  # declared before the catalog is made
from mulle.access import Signer
from mulle.adapters import ray
from mulle.catalog import Catalog
from mulle.clock import Clock, ClockIds, SystemClock
from mulle.config import Settings
from mulle.config.resources import Resources
from mulle.data.service import DataService
from mulle.pipelines import Controller
from mulle.pipelines.executor import Executor
from mulle.pipelines.in_process import InProcess
from mulle.pipelines.pool import ProcessPool
from mulle.pipelines.values import Shelf
from mulle.pipelines.worker import Place
from mulle.store import LocalStore
from mulle.workspace.project import Project, load


class Site:
    """A project with a workspace, opened."""

    def __init__(
        self,
        root: Path,
        kind: str = "in-process",
        workers: int = 2,
        clock: Clock | None = None,
        resources: Resources | None = None,
    ) -> None:
        self.root = root
        self.workspace = root / ".mulle"
        self.workspace.mkdir(exist_ok=True)
        clock = clock or SystemClock()
        ids = ClockIds(clock)
        path = self.workspace / "catalog.db"
        try:
            self.catalog = Catalog.open(path, clock, ids)
        except mulle.MulleError:
            self.catalog = Catalog.create(path, clock, ids)
        self.store = LocalStore(self.workspace)
        self.signer = Signer(self.workspace / "keys")
        self.data = DataService(self.catalog, self.store)
        self.project: Project = load(Settings(root=root, workspace=self.workspace, project="p"))
        self.executor = self._executor(kind, workers)
        self.controller = Controller(
            catalog=self.catalog,
            store=self.store,
            signer=self.signer,
            workspace=self.workspace,
            project=self.project,
            executor=self.executor,
            data=self.data,
            resources=resources,
        )

    def _executor(self, kind: str, workers: int) -> Executor:
        if kind == "process":
            return ProcessPool(Place(str(self.root), "project", str(self.workspace)), workers)
        if kind == "ray":
            return ray.make(Place(str(self.root), "project", str(self.workspace)), workers, os.environ["CLUSTER"])
        shelf = Shelf(self.store, self.signer, self.workspace / "tmp")
        return InProcess(shelf, self.catalog.clock, self.workspace, lambda: self.project.definitions)

    def run(self, pipeline: str = "", **params: Any) -> Any:
        return self.controller.run(self.project.one_pipeline(pipeline), params)

    def close(self) -> None:
        self.executor.close()
        self.catalog.close()


@contextmanager
def opened(
    root: Path,
    kind: str = "in-process",
    workers: int = 2,
    clock: Clock | None = None,
    resources: Resources | None = None,
) -> Iterator[Site]:
    site = Site(root, kind, workers, clock, resources)
    try:
        yield site
    finally:
        site.close()


def main(root: str, pipeline: str, kind: str = "process", workers: str = "2", *params: str) -> None:
    with opened(Path(root), kind, int(workers)) as site:
        given = dict(param.partition("=")[::2] for param in params)
        result = site.run(pipeline, **given)
        outputs = {name: repr(site.controller.value(ref)) for name, ref in result.outputs.items()}
        told = {"result": result, "values": outputs}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
