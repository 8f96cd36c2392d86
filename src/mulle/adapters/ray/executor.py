"""The executor: tasks of one project and workspace, on the nodes of a cluster that all executors here share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import msgspec

from mulle.adapters.ray.cluster import Cluster, connect
from mulle.pipelines.task import Outcome, Task
from mulle.pipelines.worker import Place

_UNKNOWN = 64
"""As many tasks are taken before the cluster is asked how many it can do: a run of known steps needs no cluster."""


class RayExecutor:
    """An executor over the nodes of a Ray cluster; the first task connects to it.

    All nodes see the project and the workspace at the same place: a shared directory. A node that is gone, or does not
    answer for some seconds, fails its tasks with the kind "NodeLost": the run begins them anew on another one.
    """

    elsewhere = True

    def __init__(self, place: Place, workers: int, address: str) -> None:
        self._place = msgspec.json.encode(place).decode()
        self._workers = workers
        self._address = address
        self._cluster: Cluster | None = None
        self._closed = False

    @property
    def capacity(self) -> int:
        """The cores of the cluster's nodes, as far as they are known."""
        return _UNKNOWN if self._cluster is None else self._cluster.capacity

    @property
    def ahead(self) -> int:
        """How many short tasks may wait on the nodes, so that these do not wait for the run's bookkeeping."""
        return 0 if self._cluster is None else self._cluster.ahead

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:  # noqa: ARG002 - elsewhere
        if self._cluster is None:
            self._cluster = connect(self._address, self._workers)
            self._cluster.attach(self._place)
        return self._cluster.submit(self._place, task)

    def cancel(self, step_run: str) -> None:
        if self._cluster is not None:
            self._cluster.cancel(step_run)

    def preempt(self, step_run: str) -> None:
        if self._cluster is not None:
            self._cluster.cancel(step_run, preempt=True)

    def close(self) -> None:
        if self._cluster is not None and not self._closed:
            self._closed = True
            self._cluster.detach(self._place)
