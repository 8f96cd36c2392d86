from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.serving.routing import Router, share_of

KEYS = [f"flight-{number}" for number in range(4000)]


def test_a_key_keeps_its_place() -> None:
    assert share_of("delay", "UA1545") == share_of("delay", "UA1545") == pytest.approx(0.8296754943944417)


def test_deployments_share_keys_differently() -> None:
    assert share_of("delay", "UA1545") != share_of("price", "UA1545")


def test_weights_are_kept_on_average() -> None:
    chosen = Router("delay", {1: 90.0, 2: 10.0}).revisions(KEYS)

    assert 0.08 < chosen.count(2) / len(KEYS) < 0.12


def test_a_growing_share_keeps_its_keys() -> None:
    small, large = (set(_keys_of(2, {1: 100 - share, 2: share})) for share in (10, 40))

    assert small < large


def test_one_revision_takes_all() -> None:
    assert set(Router("delay", {7: 100.0}).revisions(KEYS)) == {7}


@given(st.text(), st.dictionaries(st.integers(1, 9), st.floats(0.01, 100), min_size=1))
def test_every_key_has_a_revision(key: str, weights: dict[int, float]) -> None:
    assert Router("delay", weights).revision(key) in weights


def _keys_of(revision: int, weights: dict[int, float]) -> list[str]:
    router = Router("delay", weights)
    return [key for key in KEYS if router.revision(key) == revision]
