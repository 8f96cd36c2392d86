"""The demo's report as one self-contained HTML page: no script, no network, light and dark."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

COLORS = ["#5b6b7a", "#b5651d", "#2f7d4f", "#7a4fb0", "#c23b5a", "#1f77b4", "#8a8a00"]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 860, 280, 46, 26, 10, 8

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } tr.chosen td { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { fill: currentColor; font-size: 11px; }
.legend span { margin-right: 1rem; white-space: nowrap; } .legend i { display: inline-block; width: 1.4em; height: 3px;
vertical-align: middle; margin-right: .35em; } pre { background: #8881; padding: .7rem; overflow-x: auto; }
.quiet { color: var(--quiet); }
"""


def page(report: Mapping[str, Any]) -> str:
    """The whole page from the demo's report (the same object as `report.json`)."""
    policies: Mapping[str, Mapping[str, Any]] = report["policies"]
    colors = dict(zip(policies, COLORS, strict=False))
    found = "".join(f"<p>{html.escape(line)}</p>" for line in report["found"])
    endpoint = report["endpoint"]
    swatch = '<span><i style="background:{}"></i>{}</span>'
    legend = "".join(swatch.format(color, html.escape(name)) for name, color in colors.items())
    return f"""<!doctype html>
<html lang="en"><head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mulle: a year of flights</title><style>{STYLE}</style></head><body>
<h1>A year of flights, five retraining policies</h1>
<p class="quiet">{report["rows"]:,} flights, {html.escape(report["period"])}; every policy answered the same rows.</p>
{found}
<h2>ROC AUC by week</h2>
{_plot(report["weeks"], {name: policy["weekly_auc"] for name, policy in policies.items()}, colors)}
<p class="legend">{legend}</p>
<h2>Log loss by week</h2>
{_plot(report["weeks"], {name: policy["weekly_log_loss"] for name, policy in policies.items()}, colors)}
<h2>What each policy cost and gave</h2>
{_table(policies, report["chosen"])}
<p class="quiet">Regret: mean weekly ROC AUC lost against the oracle, which retrains
{html.escape(report["oracle"])} and serves at once. CPU seconds: the trainings that the policy used, in full,
also where policies shared one.</p>
<h2>One answer, down to its rows</h2>
<pre>{html.escape(report["why_text"])}</pre>
<h2>The endpoint</h2>
<p>{endpoint["requests"]:,} requests to <code>{html.escape(endpoint["deployment"])}</code>,
{endpoint["failures"]} failed, one hot swap in the middle.</p>
</body></html>
"""


def _table(policies: Mapping[str, Mapping[str, Any]], chosen: str) -> str:
    columns = [
        ("mean ROC AUC", "mean_auc", "{:.4f}"),
        ("mean log loss", "mean_log_loss", "{:.4f}"),
        ("regret", "regret", "{:.4f}"),
        ("retrainings", "retrainings", "{:d}"),
        ("promotions", "promotions", "{:d}"),
        ("alerts", "alerts", "{:d}"),
        ("CPU s", "cpu_seconds", "{:.1f}"),
    ]
    head = "".join(f"<th>{title}</th>" for title, _, _ in columns)
    rows = []
    for name, policy in policies.items():
        cells = "".join(f"<td>{form.format(policy[key])}</td>" for _, key, form in columns)
        rows.append(f"<tr{' class=chosen' if name == chosen else ''}><td>{html.escape(name)}</td>{cells}</tr>")
    return f"<table><tr><th>policy</th>{head}</tr>{''.join(rows)}</table>"


def _plot(weeks: Sequence[str], lines: Mapping[str, Sequence[float | None]], colors: Mapping[str, str]) -> str:
    """Lines over weeks as SVG; a missing week breaks its line."""
    values = [value for line in lines.values() for value in line if value is not None]
    low, high = min(values), max(values)
    pad = (high - low) * 0.05 or 0.01
    low, high = low - pad, high + pad

    def across(index: int) -> float:
        return LEFT + index / max(len(weeks) - 1, 1) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [_axis(low, high, weeks, across, down)]
    for name, line in lines.items():
        for run in _runs(line):
            points = " ".join(f"{across(index):.1f},{down(value):.1f}" for index, value in run)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colors[name]}" stroke-width="1.6"/>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _axis(low: float, high: float, weeks: Sequence[str], across: Any, down: Any) -> str:
    marks = []
    for step in range(5):
        value = low + (high - low) * (step + 0.5) / 5
        y = down(value)
        marks.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8883"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    marks += [
        f'<text x="{across(index):.1f}" y="{HEIGHT - 8}">{html.escape(weeks[index])}</text>'
        for index in range(0, len(weeks), 6)
    ]
    return "".join(marks)


def _runs(line: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(line):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]
