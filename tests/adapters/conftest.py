from __future__ import annotations

from collections.abc import Iterator

import pytest

from mulle.adapters.ray.cluster import disconnect
from mulle.testing.ray_cluster import RayCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    """Two nodes of one core each, for the whole session."""
    with RayCluster(2) as made:
        yield made
        disconnect()
