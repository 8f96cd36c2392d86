"""The README of a new project: what was found in the file, what was decided, and the commands to go on with. Pure."""

from __future__ import annotations

import json
from typing import Any

from mulle.workspace.scaffold_columns import Column
from mulle.workspace.scaffold_plan import METRIC, Plan
from mulle.workspace.scaffold_render import Names

_KIND = {"binary": "one of two", "multiclass": "one of several classes", "regression": "a number"}


def readme(plan: Plan, names: Names, example: dict[str, Any], notes: list[str]) -> str:
    """`README.md`."""
    row = json.dumps({"rows": [example]}, ensure_ascii=False)
    commands = [
        (f"mulle run {names.pipeline}", "train, evaluate and register a model; a second time costs nothing"),
        (f"mulle deploy {names.model}", "pass the gate and serve"),
        (f"mulle predict {names.model} --rows example.json", "ask it for the row in example.json"),
        (f"mulle predictions list --deployment {names.model} --limit 5", "the answers given, with their ids"),
        ("mulle why prediction:ID", "from an answer down to the rows that taught it"),
    ]
    if plan.time:
        commands.append(
            (f"mulle backtest {names.model} --policy never --policy monthly", "replay history, retraining or not")
        )
    commands += [
        (f"mulle serve {names.model}", "answer over HTTP"),
        ("mulle server", "keep the wheel turning, with the web UI"),
    ]
    width = max(len(command) for command, _ in commands)
    return "\n".join(
        [
            f"# {names.model}",
            "",
            f"Learns `{plan.target.name}` ({_KIND[plan.task]}, judged by {METRIC[plan.task]})",
            f"from {plan.rows:,} rows of {names.source_file}. Written by `mulle init`; everything is in `project.py`.",
            "",
            "```sh",
            *(f"{command.ljust(width)}   # {purpose}" for command, purpose in commands),
            "```",
            "",
            "A request over HTTP:",
            "",
            "```sh",
            f"curl -s http://127.0.0.1:8421/predict/{names.model} -d '{_shell(row)}'",
            "```",
            "",
            "## What was found",
            "",
            "| column | in the file | type | part |",
            "|---|---|---|---|",
            *(_line(column, plan) for column in plan.columns),
            "",
            *(f"- {note}" for note in [*decisions(plan), *notes]),
            "",
        ]
    )


def decisions(plan: Plan) -> list[str]:
    """What was decided, one sentence each, for the README and for the terminal."""
    found = []
    if plan.window is not None:
        found.append(
            f"The newest fifth of a window of {plan.window.window} judges the model; rows arrive every "
            f"{plan.window.every} by `{plan.time}`."
        )
    else:
        found.append("Every fifth row, drawn at random with a fixed seed, judges the model.")
    if plan.positive is not None:
        found.append(f"`{plan.target.name}` is true where the file says {plan.positive!r}.")
    if plan.outcomes:
        found.append(
            f"Set aside because they are known only with the answer: {', '.join(plan.outcomes)}. They are marked "
            "`mulle.outcome()`."
        )
    if plan.dropped:
        found.append("Not used: " + ", ".join(f"{name} ({reason})" for name, reason in plan.dropped.items()) + ".")
    if plan.numbered:
        found.append("No column was named as a key, so `row_id` numbers the rows in the order of the file.")
    if plan.target.nulls:
        found.append(f"{plan.target.nulls:,} rows have no `{plan.target.name}`: they are kept, but teach nothing.")
    return found


def _line(column: Column, plan: Plan) -> str:
    return f"| {column.name} | {column.original.replace('|', '/')} | {column.kind} | {part_of(column, plan)} |"


def part_of(column: Column, plan: Plan) -> str:
    """What the project uses the column for."""
    if column.name == plan.target.name:
        return "target"
    if column.name == plan.time:
        return "event time"
    if column.name in plan.key:
        return "key"
    if column.name in plan.outcomes:
        return "outcome"
    if column.name in plan.dropped:
        return f"not used: {plan.dropped[column.name]}"
    return "category" if column.name in plan.categories else "number"


def _shell(text: str) -> str:
    return text.replace("'", "'\\''")
