"""A pipeline as an Airflow DAG: a Python file for Airflow 3 whose tasks call `mulle step`."""

from __future__ import annotations

import re
import shlex
from typing import Any

from mulle.pipelines.exporting import Blueprint, Exported, Target, Task, labels

SKIPPED = 99
"""The exit status by which `mulle step` tells a shell that a step was skipped; Airflow then shows the task so."""
_LONGEST = 200
_HEAD = '''\
"""The pipeline {pipeline}, by: mulle export pipeline {pipeline} --to airflow

Each task does one step of the pipeline. Memo and digests are those of `mulle run`.
"""

{imports}

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

STEP = {step!r}
GIVEN = {given!r}

with DAG(
    dag_id={dag!r},
    schedule=None,
    catchup=False,
    doc_md={doc!r},
    params={params},
    user_defined_filters={{"word": shlex.quote, "json": lambda value: shlex.quote(json.dumps(value))}},
    tags=["mulle"],
) as dag:
'''


def export(plan: Blueprint, target: Target) -> Exported:
    """The DAG's file. Parameters of the pipeline are the DAG's; a run's key is its `run_id`."""
    names = labels(plan.tasks, _name, _LONGEST)
    params = {each.name: each.default for each in plan.parameters}
    given = [f"--param {name}={{{{ params.{name} | json }}}}" for name in params]
    command = shlex.join([target.command, "-C", target.directory, "step", plan.pipeline])
    head = _HEAD.format(
        pipeline=plan.pipeline,
        imports="\n".join(_imports(plan)),
        dag=_name(plan.pipeline),
        step=command,
        given=" ".join(["--run-key", "{{ ('airflow-' ~ dag.dag_id ~ '-' ~ run_id) | word }}", *given]),
        doc=plan.doc or f"The pipeline {plan.pipeline}.",
        params="{" + ", ".join(f"{name!r}: {_param(value)}" for name, value in params.items()) + "}",
    )
    variables = {task.name: f"step_{number}" for number, task in enumerate(plan.tasks)}
    lines = [line for task in plan.tasks for line in _task(task, names[task.name], variables)]
    return Exported(pipeline=plan.pipeline, to="airflow", text=head + "\n".join(lines) + "\n", notes=_notes(plan))


def _imports(plan: Blueprint) -> list[str]:
    timed = any(task.options.retries or task.options.timeout for task in plan.tasks)
    wanted = {"import json": True, "import shlex": True, "from datetime import timedelta": timed}
    return [line for line, needed in wanted.items() if needed]


def _notes(plan: Blueprint) -> list[str]:
    notes = []
    if any(task.options.memory for task in plan.tasks):
        notes.append("memory is held by `mulle step`: an Airflow task has no such limit; cpus become pool slots")
    return notes


def _task(task: Task, name: str, variables: dict[str, str]) -> list[str]:
    """The lines that define a task; for a mapped one, first a task that says what its items are."""
    variable, step, more = variables[task.name], shlex.quote(task.name), _options(task)
    first, skipping = variable, f" --skipped-as {SKIPPED}" if task.conditional else ""
    if task.mapped:
        first = f"{variable}_items"
        listing = {"output_processor": "json.loads", "trigger_rule": more["trigger_rule"]}
        lines = _call(f"{first} = BashOperator", f"{name}-items", f"{step} --items --json", listing)
        each = f'.expand(env={first}.output.map(lambda step: {{"MULLE_STEP": step}}))'
        lines += _call(
            f"{variable} = BashOperator.partial", name, '"$MULLE_STEP"' + skipping, more | {"append_env": "True"}, each
        )
    else:
        lines = _call(f"{variable} = BashOperator", name, step + skipping, more)
    before = [variables[each] for each in task.after]
    return lines + ([f"    [{', '.join(before)}] >> {first}"] if before else [])


def _call(target: str, name: str, command: str, more: dict[str, str], tail: str = "") -> list[str]:
    given = {"task_id": repr(name), "bash_command": f'f"{{STEP}} {_escaped(command)} {{GIVEN}}"', **more}
    return [f"    {target}(", *(f"        {key}={value}," for key, value in given.items()), f"    ){tail}"]


def _options(task: Task) -> dict[str, str]:
    """What the step asks for, as far as Airflow has a word for it."""
    found = {"trigger_rule": '"none_failed"'}
    if task.options.cpus > 1:
        found["pool_slots"] = str(task.options.cpus)
    if task.options.retries:
        found |= {"retries": str(task.options.retries), "retry_delay": "timedelta(seconds=1)"}
    if task.options.timeout:
        found["execution_timeout"] = f"timedelta(seconds={task.options.timeout:g})"
    if task.conditional:
        found["skip_on_exit_code"] = str(SKIPPED)
    return found


def _escaped(command: str) -> str:
    return command.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")


def _param(value: Any) -> str:
    return f"Param({value!r})"


def _name(text: str) -> str:
    """As Airflow takes names: letters, digits, hyphens, dots and underscores."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")
