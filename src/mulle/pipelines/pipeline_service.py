"""The verbs of pipelines: which there are, what a run would do, to run them, and to sweep over their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from mulle.pipelines import sweep as sweeps
from mulle.pipelines.describing import plain
from mulle.pipelines.model import Forecast, RunResult
from mulle.pipelines.sweep import Sweep, Sweeping, Swept
from mulle.types import instant
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.definitions import Definitions
    from mulle.pipelines.controller import Controller
    from mulle.pipelines.definition import Pipeline
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.model import Progress

_SMALL = 1000


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a pipeline."""

    name: str
    type: str
    required: bool
    default: Any = None


class PipelineInfo(msgspec.Struct, frozen=True):
    """A pipeline of the project."""

    name: str
    about: str
    """The first line of its docstring."""
    parameters: list[Parameter]


class Defined(Protocol):
    """The project, as far as its pipelines are asked for."""

    @property
    def definitions(self) -> Definitions:
        """What it defines."""

    def one_pipeline(self, name: str = "") -> Any:
        """The pipeline of that name; the only one when no name is given."""


class PipelineService:
    """The project's pipelines."""

    plane = "pipelines"

    def __init__(
        self,
        *,
        catalog: Catalog,
        project: Callable[[], Defined],
        controller: Callable[[], Controller],
        executor: Callable[[str], Executor],
        prepare: Callable[[], None],
    ) -> None:
        """Wire the service.

        Args:
            catalog: where runs and sweeps are recorded.
            project: the project, imported when it is first needed.
            controller: runs its pipelines.
            executor: one by its name; "" is that of the settings.
            prepare: called before a run: datasets that have no version yet are collected.
        """
        self._catalog = catalog
        self._project = project
        self._controller = controller
        self._executor = executor
        self._prepare = prepare

    @verb("read")
    def list(self) -> tuple[PipelineInfo, ...]:
        """The pipelines that the project defines, with their parameters."""
        return tuple(map(_info, self._project().definitions.all("pipeline").values()))

    @verb("read")
    def show(self, name: str = "") -> PipelineInfo:
        """One pipeline; a project with one needs no name."""
        return _info(self._project().one_pipeline(name))

    @verb("read")
    def plan(self, name: str = "", params: Mapping[str, Any] | None = None, as_of: str | None = None) -> Forecast:
        """What a run would do: for each step whether it would be executed, and what changed since it last was.

        Args:
            name: the pipeline; a project with one needs none.
            params: its parameters; text is read as the annotated type.
            as_of: the instant as of which data would be read; the data's own watermark by default.
        """
        pipeline = self._project().one_pipeline(name)
        return self._controller().foresee(pipeline, params, as_of=None if as_of is None else instant(as_of))

    @verb("write")
    def run(self, name: str = "", params: Mapping[str, Any] | None = None, as_of: str | None = None) -> RunResult:
        """Run a pipeline to its end; steps whose code and inputs did not change are not executed again.

        Args:
            name: the pipeline; a project with one needs none.
            params: its parameters; text is read as the annotated type.
            as_of: the instant as of which data is read; the data's own watermark by default.
        """
        return self.start(name, params, as_of=as_of)

    @verb("write")
    def sweep(
        self,
        name: str,
        axes: Mapping[str, Sequence[Any]],
        params: Mapping[str, Any] | None = None,
        as_of: str | None = None,
    ) -> Sweep:
        """Run a pipeline once for each combination of values; steps that several runs share are executed once.

        Args:
            name: the pipeline; "" in a project with one.
            axes: parameter → its values.
            params: the other parameters, the same for all.
            as_of: the instant as of which data is read; the data's own watermark by default.
        """
        return self.sweep_over(name, axes, params, as_of=as_of)

    @verb("read")
    def sweeps(self, limit: int = 20, name: str | None = None) -> tuple[Sweep, ...]:
        """The newest sweeps, newest first; of one pipeline if one is named."""
        with self._catalog.read() as tx:
            return tuple(sweeps.listed(tx, limit, name))

    @verb("read")
    def swept(self, id: str) -> Sweep:  # noqa: A002 - the field's word
        """One sweep, also by a unique beginning of its id: its runs, what they measured and what came out."""
        with self._catalog.read() as tx:
            return sweeps.get(tx, id)

    def start(
        self,
        name: str = "",
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
        executor: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> RunResult:
        """Run a pipeline, as `run`, on an executor of choice, told of its progress."""
        pipeline = self._project().one_pipeline(name)
        chosen = None if executor is None else self._executor(executor)
        self._prepare()
        at = None if as_of is None else instant(as_of)
        return self._controller().run(pipeline, params, as_of=at, on_progress=on_progress, executor=chosen)

    def sweep_over(
        self,
        name: str,
        axes: Mapping[str, Sequence[Any]],
        params: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | str | None = None,
        executor: str | None = None,
        on_run: Callable[[Swept, int, int], None] | None = None,
    ) -> Sweep:
        """Sweep, as `sweep`, on an executor of choice; `on_run` is told of each run that is over, and how many are."""
        pipeline: Pipeline[..., Any] = self._project().one_pipeline(name)
        values = sweeps.combinations(pipeline, axes, params or {})
        chosen, controller = self._executor(executor or ""), self._controller()
        self._prepare()
        at = None if as_of is None else instant(as_of)

        def start(given: dict[str, Any], heard: Callable[[Progress], None]) -> RunResult:
            return controller.run(pipeline, given, as_of=at, on_progress=heard, executor=chosen)

        def outputs(result: RunResult) -> dict[str, Any]:
            small = {key: ref for key, ref in result.outputs.items() if ref.codec == "plain" and ref.bytes <= _SMALL}
            return plain({key: controller.value(ref) for key, ref in small.items()})

        jobs = min(chosen.capacity, len(values)) if chosen.elsewhere else 1
        made = Sweeping(self._catalog, start, outputs, jobs=jobs, on_run=on_run)
        return made.make(pipeline.name, axes, plain(params or {}), values)


def _info(pipeline: Pipeline[..., Any]) -> PipelineInfo:
    about = (inspect.getdoc(pipeline.function) or "").partition("\n")[0]
    return PipelineInfo(pipeline.name, about, [_parameter(pipeline, each) for each in pipeline.signature.parameters])


def _parameter(pipeline: Pipeline[..., Any], name: str) -> Parameter:
    found = pipeline.signature.parameters[name]
    kind = pipeline.hints.get(name)
    plainly = isinstance(kind, type) and not hasattr(kind, "__args__")
    told = "" if kind is None else kind.__name__ if plainly else str(kind)
    if found.default is inspect.Parameter.empty:
        return Parameter(name, told, required=True)
    return Parameter(name, told, required=False, default=plain({name: found.default})[name])
