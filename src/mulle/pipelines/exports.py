"""The verbs of running a project's pipelines by other workflow engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from mulle.pipelines import exporting, pinning
from mulle.pipelines.exporting import Exported, Target
from mulle.pipelines.model import StepStatus, ValueRef
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.pipelines.controller import Controller
    from mulle.pipelines.definition import Pipeline
    from mulle.pipelines.executor import Executor

Names: TypeAlias = list[str]
Given: TypeAlias = dict[str, Any]


class StepDone(msgspec.Struct, frozen=True):
    """A step of a run that something else drives: how it went, and what it gave."""

    name: str
    status: StepStatus
    step_run: str
    outputs: list[ValueRef]


class PartDone(msgspec.Struct, frozen=True):
    """What a call of `mulle step` did: one step, or all items of a mapped one."""

    run: str
    status: str
    steps: list[StepDone]
    error: str = ""


class ExportService:
    """Pipelines for other workflow engines, and the steps that these call."""

    plane = "exports"

    def __init__(
        self, root: Path, pipeline: Callable[[str], Pipeline[..., Any]], controller: Callable[[], Controller]
    ) -> None:
        self._root = root
        self._pipeline = pipeline
        self._controller = controller

    @verb("read")
    def targets(self) -> Names:
        """The engines that pipelines can be exported to."""
        return exporting.targets()

    @verb("read")
    def pipeline(self, name: str, to: str, params: Given | None = None, target: Target | None = None) -> Exported:
        """A pipeline in another engine's language.

        Args:
            name: the pipeline.
            to: the engine; `targets` lists them.
            params: other defaults of its parameters.
            target: where the steps will run; in the project's present folder by default.
        """
        write = exporting.exporter(to)
        plan = exporting.blueprint(self._pipeline(name), params or {})
        where = target or Target()
        return write(plan, msgspec.structs.replace(where, directory=where.directory or str(self._root)))

    @verb("write")
    def step(
        self, pipeline: str, step: str, key: str, params: Given | None = None, as_of: datetime | None = None
    ) -> PartDone:
        """Do exactly one step of the run of a key; see `Controller.step`."""
        return done(self._controller(), self._pipeline(pipeline), step, key, params or {}, as_of=as_of)


def done(
    controller: Controller,
    pipeline: Pipeline[..., Any],
    step: str,
    key: str,
    params: Mapping[str, Any],
    *,
    as_of: datetime | None = None,
    executor: Executor | None = None,
) -> PartDone:
    """Do one step and tell how it went."""
    result, rows = controller.step(pipeline, step, key, params, as_of=as_of, executor=executor)
    steps = [StepDone(row.name, row.status, row.id, pinning.outputs(row)) for row in rows]
    return PartDone(result.id, result.status, steps, result.error)
