from __future__ import annotations

import importlib

import pytest

from mulle.client.planes import SERVICES, Planes
from mulle.client.verbtable import verbs_by_name


def test_every_plane_of_the_client_is_typed() -> None:
    assert list(Planes.__annotations__) == list(SERVICES)


@pytest.mark.parametrize("plane", SERVICES)
def test_every_verb_can_be_derived_and_says_what_it_does(plane: str) -> None:
    module, _, name = SERVICES[plane].partition(":")
    service = getattr(importlib.import_module(module), name)
    table = verbs_by_name({plane: service})
    assert service.plane == plane
    assert [verb for verb, derived in table.items() if not derived.doc] == []
