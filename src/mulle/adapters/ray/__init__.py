"""Steps on the nodes of a Ray cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mulle.errors import ConfigError

if TYPE_CHECKING:
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.worker import Place


def make(place: Place, workers: int, cluster: str) -> Executor:
    """The entry point: an executor over the nodes of a Ray cluster.

    Args:
        place: where the project and the workspace are, on every node.
        workers: the most cores to use of a node; 0 means all.
        cluster: the cluster's address, "auto" for one that runs on this machine; empty starts one here.

    Raises:
        ConfigError: Ray is not installed.
    """
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # Ray reads it once: no call of ours is to start a cluster
    try:
        from mulle.adapters.ray.executor import RayExecutor  # noqa: PLC0415 - optional, and a second to import
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the executor 'ray' needs Ray", cause=str(error), cure="pip install 'mulle[ray]', or --executor process"
        ) from error
    return RayExecutor(place, workers, cluster)
