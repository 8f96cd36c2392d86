"""The verbs that the server asks of the project's process."""

from __future__ import annotations

import importlib

import pytest

from mulle.client.planes import SERVICES
from mulle.server.planes import NEEDING
from mulle.verbs import verbs_of


@pytest.mark.parametrize("plane", sorted(NEEDING))
def test_what_is_asked_of_the_project_are_verbs_of_the_plane(plane: str) -> None:
    module, _, name = SERVICES[plane].partition(":")
    service = getattr(importlib.import_module(module), name)
    assert service.plane == plane
    assert set(NEEDING[plane]) <= set(verbs_of(service))
