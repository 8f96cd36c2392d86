"""A Ray cluster of several nodes on this machine, each of its own processes, to be killed and cut off by tests."""

from __future__ import annotations

import contextlib
import os
from types import TracebackType
from typing import Any, Self

import psutil

_STORE_BYTES = 80 << 20


class RayCluster:
    """A head and further nodes, each with one core; a context manager."""

    def __init__(self, nodes: int = 2) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - optional

        arguments = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=arguments)
        self.address: str = self._cluster.address
        self._nodes: list[Any] = []
        for _ in range(nodes - 1):
            self.add()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray  # noqa: PLC0415 - optional

        ray.shutdown()
        self._cluster.shutdown()

    def add(self) -> None:
        """Start another node."""
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES))

    def kill(self) -> None:
        """Kill all processes of the node that came last, as when its machine dies."""
        node = self._nodes.pop()
        workers = self._workers(node)
        self._cluster.remove_node(node, allow_graceful=False)
        for process in workers:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def signal(self, number: int) -> None:
        """Send a signal to all processes of the node that came last: one that is stopped is as one that is cut off."""
        raylets = [info.process.pid for info in self._nodes[-1].all_processes["raylet"]]
        for process in [*map(psutil.Process, raylets), *self._workers(self._nodes[-1])]:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def _workers(self, node: Any) -> list[psutil.Process]:
        found = []
        for info in node.all_processes["raylet"]:
            with contextlib.suppress(psutil.Error):
                found += psutil.Process(info.process.pid).children(recursive=True)
        return found
