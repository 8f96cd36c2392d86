"""A pipeline as Kubeflow Pipelines' intermediate representation (PipelineSpec 2.1 in YAML).

Each task is a lightweight Python component of a few lines that calls `mulle step`: the one kind of component that both
Kubeflow and kfp's local SubprocessRunner run. kfp has to be installed where the tasks run.

A step that is mapped over partitions is one task that does all of its items: the local runner does loops after all
other tasks, whatever depends on them.
"""

from __future__ import annotations

import re
from typing import Any

from mulle.adapters import documents
from mulle.pipelines.exporting import Blueprint, Exported, Parameter, Target, Task, labels

IMAGE = "python:3.11"
_KEY = "mulle_run_key"
_LONGEST = 60
_TYPES = {
    "text": ("STRING", "str"),
    "integer": ("NUMBER_INTEGER", "int"),
    "number": ("NUMBER_DOUBLE", "float"),
    "boolean": ("BOOLEAN", "bool"),
    "list": ("LIST", "list"),
    "object": ("STRUCT", "dict"),
}
_START = """\
program_path=$(mktemp -d)
printf "%s" "$0" > "$program_path/ephemeral_component.py"
_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path "$program_path/ephemeral_component.py" "$@"
"""
_SOURCE = '''\
import json
import subprocess


def step({signature}):
    """The step {step} of the pipeline {pipeline}."""
    given = {{{values}}}
    params = [word for pair in given.items() for word in ("--param", f"{{pair[0]}}={{json.dumps(pair[1])}}")]
    subprocess.run({command!r} + ["--run-key", f"kfp-{{mulle_run_key}}"] + params, check=True)
'''


def export(plan: Blueprint, target: Target) -> Exported:
    """The PipelineSpec as YAML; it runs with `kfp.local` and is uploaded to Kubeflow as it is."""
    names = labels(plan.tasks, _name, _LONGEST)
    document = {
        "components": {f"comp-{names[task.name]}": _component(plan, names[task.name]) for task in plan.tasks},
        "deploymentSpec": {
            "executors": {f"exec-{names[task.name]}": _executor(plan, task, target) for task in plan.tasks}
        },
        "pipelineInfo": {"name": _name(plan.pipeline), **({"description": plan.doc} if plan.doc else {})},
        "root": {
            "dag": {"tasks": {names[task.name]: _task(plan, task, names) for task in plan.tasks}},
            **_inputs(plan),
        },
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
    }
    text = documents.document(plan.pipeline, "kfp", document)
    return Exported(pipeline=plan.pipeline, to="kfp", text=text, notes=_notes(plan))


def _notes(plan: Blueprint) -> list[str]:
    notes = []
    if any(task.options.timeout for task in plan.tasks):
        notes.append("timeouts are kept by `mulle step`: a PipelineSpec has none for a task")
    if any(task.mapped for task in plan.tasks):
        notes.append("a step that is mapped over partitions is one task that does all of its items")
    if any(task.conditional for task in plan.tasks):
        notes.append("a step of a branch that is not taken starts, says that it is skipped, and succeeds")
    return notes


def _component(plan: Blueprint, name: str) -> dict[str, Any]:
    parameters = {parameter.name: {"parameterType": _TYPES[parameter.kind][0]} for parameter in plan.parameters}
    return {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": {_KEY: {"parameterType": "STRING"}, **parameters}},
    }


def _executor(plan: Blueprint, task: Task, target: Target) -> dict[str, Any]:
    command = [target.command, "-C", target.directory, "step", plan.pipeline, task.name]
    source = _SOURCE.format(
        signature=", ".join([f"{_KEY}: str", *(f"{each.name}: {_TYPES[each.kind][1]}" for each in plan.parameters)]),
        step=task.name,
        pipeline=plan.pipeline,
        values=", ".join(f'"{each.name}": {each.name}' for each in plan.parameters),
        command=command,
    )
    limits: dict[str, Any] = {"cpuLimit": float(task.options.cpus), "cpuRequest": float(task.options.cpus)}
    if task.options.memory:
        limits |= dict.fromkeys(("memoryLimit", "memoryRequest"), round(task.options.memory / 1e9, 6))
    gpus = getattr(task.options, "gpus", 0.0)
    if gpus:
        limits["accelerator"] = {"type": "nvidia.com/gpu", "count": str(int(-(-gpus // 1)))}
    return {
        "container": {
            "image": target.image or IMAGE,
            "command": ["sh", "-ec", _START, source],
            "args": ["--executor_input", "{{$}}", "--function_to_execute", "step"],
            "resources": limits,
        }
    }


def _task(plan: Blueprint, task: Task, names: dict[str, str]) -> dict[str, Any]:
    name = names[task.name]
    given = {each.name: {"componentInputParameter": each.name} for each in plan.parameters}
    key = {_KEY: {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}}
    found: dict[str, Any] = {
        "cachingOptions": {},  # none of Kubeflow's: mulle's memo knows the code, too
        "componentRef": {"name": f"comp-{name}"},
        "inputs": {"parameters": key | given},
        "taskInfo": {"name": task.name},
    }
    if task.after:
        found["dependentTasks"] = [names[each] for each in task.after]
    if task.options.retries:
        policy = {"maxRetryCount": task.options.retries, "backoffDuration": "0s", "backoffFactor": 2.0}
        found["retryPolicy"] = policy | {"backoffMaxDuration": "3600s"}
    return found


def _inputs(plan: Blueprint) -> dict[str, Any]:
    found = {each.name: _input(each) for each in plan.parameters}
    return {"inputDefinitions": {"parameters": found}} if found else {}


def _input(parameter: Parameter) -> dict[str, Any]:
    value = float(parameter.default) if parameter.kind == "integer" else parameter.default  # protobuf has one number
    return {"parameterType": _TYPES[parameter.kind][0], "defaultValue": value}


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
