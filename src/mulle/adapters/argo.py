"""A pipeline as an Argo Workflow: a DAG template whose tasks are containers that call `mulle step`.

Follows the Workflow specification of Argo Workflows 4.0, `argoproj.io/v1alpha1`: `dag.tasks[].dependencies`,
`retryStrategy`, `activeDeadlineSeconds`, `withParam` for what is known only when the run begins.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from mulle.adapters import documents
from mulle.pipelines.exporting import Blueprint, Exported, Target, Task, labels

IMAGE = "mulle:latest"
_CLAIM = "mulle-project"
_KEY = "argo-{{workflow.uid}}"
_LONGEST = 60


def export(plan: Blueprint, target: Target) -> Exported:
    """The Workflow as YAML. The project's folder, with its workspace, is a volume that all its pods share."""
    names = labels(plan.tasks, _name, _LONGEST)
    writer = _Writer(plan, target, names)
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{_name(plan.pipeline)}-", "labels": {"app.kubernetes.io/managed-by": "mulle"}},
        "spec": {
            "entrypoint": "pipeline",
            "arguments": {"parameters": [{"name": p.name, "value": _json(p.default)} for p in plan.parameters]},
            "volumes": [{"name": "project", "persistentVolumeClaim": {"claimName": _CLAIM}}],
            "templates": [writer.dag(), *(each for task in plan.tasks for each in writer.templates(task))],
        },
    }
    notes = [f"the project's folder is expected in the persistent volume claim '{_CLAIM}' at {target.directory}"]
    if any(task.conditional for task in plan.tasks):
        notes.append("a step of a branch that is not taken starts, says that it is skipped, and succeeds")
    return Exported(
        pipeline=plan.pipeline, to="argo", text=documents.document(plan.pipeline, "argo", workflow), notes=notes
    )


class _Writer:
    def __init__(self, plan: Blueprint, target: Target, names: dict[str, str]) -> None:
        self._plan = plan
        self._target = target
        self._names = names

    def dag(self) -> dict[str, Any]:
        """The template that says which task waits for which."""
        tasks = [each for task in self._plan.tasks for each in self._tasks(task)]
        return {"name": "pipeline", "dag": {"tasks": tasks}}

    def _tasks(self, task: Task) -> list[dict[str, Any]]:
        name = self._names[task.name]
        after = {"dependencies": [self._names[each] for each in task.after]} if task.after else {}
        if not task.mapped:
            return [{"name": name, "template": name, **after}]
        items = f"{name}-items"
        each = {
            "name": name,
            "template": name,
            "dependencies": [items],
            "arguments": {"parameters": [{"name": "item", "value": "{{item}}"}]},
            "withParam": f"{{{{tasks.{items}.outputs.result}}}}",
        }
        return [{"name": items, "template": items, **after}, each]

    def templates(self, task: Task) -> list[dict[str, Any]]:
        """The template of a task; for a mapped one also that of the task which says what its items are."""
        name = self._names[task.name]
        if not task.mapped:
            return [{"name": name} | self._limits(task) | {"container": self._container(task, task.name)}]
        items = {"name": f"{name}-items", "container": self._container(None, task.name, "--items", "--json")}
        inputs = {"inputs": {"parameters": [{"name": "item"}]}}
        container = self._container(task, "{{inputs.parameters.item}}")
        return [items, {"name": name} | inputs | self._limits(task) | {"container": container}]

    def _container(self, task: Task | None, step: str, *more: str) -> dict[str, Any]:
        params = [f"{p.name}={{{{workflow.parameters.{p.name}}}}}" for p in self._plan.parameters]
        given = [each for param in params for each in ("--param", param)]
        args = ["-C", self._target.directory, "step", self._plan.pipeline, step, "--run-key", _KEY, *given, *more]
        container: dict[str, Any] = {
            "image": self._target.image or IMAGE,
            "command": [self._target.command],
            "args": args,
            "volumeMounts": [{"name": "project", "mountPath": self._target.directory}],
        }
        wanted = _resources(task) if task is not None else {}
        return container | ({"resources": {"requests": wanted, "limits": wanted}} if wanted else {})

    def _limits(self, task: Task) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if task.options.retries:
            found["retryStrategy"] = {"limit": str(task.options.retries), "retryPolicy": "Always"}
        if task.options.timeout:
            found["activeDeadlineSeconds"] = max(1, round(task.options.timeout))
        return found


def _resources(task: Task) -> dict[str, str]:
    found = {"cpu": f"{task.options.cpus:g}"}
    if task.options.memory:
        found["memory"] = str(task.options.memory)
    gpus = getattr(task.options, "gpus", 0.0)
    if gpus:
        found["nvidia.com/gpu"] = str(int(-(-gpus // 1)))  # Kubernetes knows whole ones only
    return found


def _name(text: str) -> str:
    """As Kubernetes takes names: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
