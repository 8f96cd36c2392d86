"""What each policy cost and gave, as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_BLOCKS = "▁▂▃▄▅▆▇█"
_COLUMNS = [
    ("ROC AUC", "mean_auc", "{:.4f}"),
    ("log loss", "mean_log_loss", "{:.4f}"),
    ("regret", "regret", "{:+.4f}"),
    ("retrained", "retrainings", "{:d}"),
    ("promoted", "promotions", "{:d}"),
    ("alerts", "alerts", "{:d}"),
    ("CPU s", "cpu_seconds", "{:.1f}"),
]


def table(policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each policy, its weekly ROC AUC drawn on one scale for all."""
    values = [value for one in policies.values() for value in one["weekly_auc"] if value is not None]
    low, high = min(values), max(values)
    width = max(map(len, policies))
    lines = [f"{'':{width}}  " + "  ".join(title for title, _, _ in _COLUMNS) + "  ROC AUC by week"]
    for name, one in policies.items():
        cells = [form.format(one[key]).rjust(len(title)) for title, key, form in _COLUMNS]
        lines.append(f"{name:{width}}  {'  '.join(cells)}  {_drawn(one['weekly_auc'], low, high)}")
    return lines


def _drawn(line: Sequence[float | None], low: float, high: float) -> str:
    top = len(_BLOCKS) - 1
    span = high - low or 1.0
    return "".join(" " if value is None else _BLOCKS[round((value - low) / span * top)] for value in line)
