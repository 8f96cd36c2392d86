"""Which GPUs this process may use."""

from __future__ import annotations

import pytest

from mulle.resources.gpus import Gpu, gpus, visible
from mulle.resources.graphics import Graphics

CARDS = [Gpu("H200", f"00:0{number}", str(number), f"GPU-{number}aaaa") for number in range(3)]


@pytest.mark.parametrize(
    ("named", "indices"),
    [
        (None, "012"),
        ("", ""),
        ("1", "1"),
        ("2,0", "20"),
        ("0,9,1", "0"),
        ("GPU-2", "2"),
        ("GPU-", ""),
        (" 1 , 2", "12"),
    ],
)
def test_what_cuda_would_show_is_what_there_is(named: str | None, indices: str) -> None:
    assert "".join(gpu.index for gpu in visible(CARDS, named)) == indices


def test_without_a_driver_there_is_none() -> None:
    assert gpus(Graphics(), {}) == []
