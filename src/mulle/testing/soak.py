"""How often the counted tests repeat: little in `make test`, much in `make soak`."""

from __future__ import annotations

import os


def repeat(reduced: int, full: int) -> int:
    """`reduced`, or `full` when the environment says MULLE_SOAK=1."""
    return full if os.environ.get("MULLE_SOAK") == "1" else reduced
