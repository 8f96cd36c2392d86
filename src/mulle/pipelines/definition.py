"""`@mulle.step` and `@mulle.pipeline`: plain functions that a trace recognises."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from mulle.definitions import define
from mulle.errors import PipelineError, UsageError, unknown
from mulle.pipelines.conversion import converted
from mulle.pipelines.model import Options
from mulle.pipelines.outputs import Outputs, outputs_of
from mulle.types import duration, size

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A function that runs as a node of a pipeline; outside a pipeline, the plain function."""

    def __init__(self, function: Callable[P, R], options: Options) -> None:
        self.function = function
        self.options = options
        self.name = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        from mulle.pipelines import graph  # noqa: PLC0415 - the trace knows steps, a step only asks whether one is on

        trace = graph.tracing()
        if trace is None:
            return self.function(*args, **kwargs)
        return cast("R", trace.call(self, args, kwargs))

    def map(self, over: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call the step for each item, given as its first argument; the other arguments are the same for all.

        Args:
            over: `mulle.partitions(…)`, a list, or what a step gives that returns a list.
            args: the step's arguments after the first.
            kwargs: those by name.

        Returns:
            The list of what the calls give, inside a pipeline as a promise; of a step that returns several values,
            several such lists. `mulle.union` makes one table or folder of it, `reduce` one value.
        """
        from mulle.pipelines import graph  # noqa: PLC0415 - the trace knows steps, a step only asks whether one is on

        trace = graph.tracing()
        if trace is not None:
            return trace.map(self, over, args, kwargs)
        results: list[Any] = [self.function(item, *args, **kwargs) for item in over]
        outputs = self.outputs()
        if outputs is None:
            return results
        return outputs.made([[each[name] for each in results] for name in outputs.names or range(len(outputs.kinds))])

    def reduce(self, over: Any, /, **kwargs: Any) -> Any:
        """Combine items two at a time until one is left, neighbours first, in their order.

        The step has to give the same however its items are grouped, as sums and merges do. One item that changes is
        combined anew with few others: about the logarithm of their number.

        Args:
            over: a list, what `map` gave, or what a step gives that returns a list; not empty.
            kwargs: the step's arguments after the first two, by name, the same for all.
        """
        from mulle.pipelines import graph  # noqa: PLC0415 - the trace knows steps, a step only asks whether one is on

        trace = graph.tracing()
        if trace is not None:
            return trace.reduce(self, over, kwargs)
        return functools.reduce(lambda one, other: self.function(one, other, **kwargs), over)

    def __repr__(self) -> str:
        return f"<step {self.name}>"

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """Annotations as objects; those that cannot be resolved are left out."""
        return _hints(self.function)

    @functools.cached_property
    def _outputs(self) -> Outputs | None:
        return outputs_of(self.hints.get("return"))

    def outputs(self) -> Outputs | None:
        """What the return annotation lists (`tuple[A, B]`, a NamedTuple, a TypedDict); None for a single output."""
        return self._outputs

    def reference(self) -> tuple[str, str]:
        """Module and name by which another process finds this step.

        Raises:
            PipelineError: it is not a name of an importable module.
        """
        home = getattr(self.function, "defined_in", self.function.__module__)  # a command has no module of its own
        module = sys.modules.get(home)
        for name, value in vars(module).items() if module is not None else ():
            if value is self:
                return home, name
        raise PipelineError(
            f"the step '{self.name}' cannot be found by another process",
            cause=f"no name at the top of the module '{self.function.__module__}' stands for it",
            cure=f"define it at the top level of a module of the project: {self.name} = mulle.step(…)",
        )


class Pipeline(Generic[P, R]):
    """A function whose calls of steps make a graph; called as it is, it runs them as plain functions."""

    def __init__(self, function: Callable[P, R], name: str) -> None:
        self.function = function
        self.name = name
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        from mulle.pipelines import graph  # noqa: PLC0415 - as a step does

        trace = graph.tracing()
        if trace is None:
            return self.function(*args, **kwargs)
        return cast("R", trace.nest(self, args, kwargs))

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """Annotations as objects; those that cannot be resolved are left out."""
        return _hints(self.function)

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with all its arguments by name, each in the way its parameter wants."""
        bound = self.signature.bind_partial()
        bound.arguments.update(arguments)
        return self.function(*bound.args, **bound.kwargs)

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, with defaults filled in; text is read as the annotated type.

        Raises:
            UsageError: one is missing or of another type.
            UnknownNameError: there is no parameter of that name.
        """
        signature, hints = self.signature, self.hints
        for name in given:
            if name not in signature.parameters:
                raise unknown("parameter", name, signature.parameters, cure=f"mulle pipelines show {self.name}")
        found: dict[str, Any] = {}
        for name, parameter in signature.parameters.items():
            if name in given:
                found[name] = converted(given[name], hints.get(name, Any), f"parameter '{name}' of {self.name}")
            elif parameter.default is not inspect.Parameter.empty:
                found[name] = parameter.default
            elif parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                raise UsageError(
                    f"the pipeline {self.name} needs the parameter '{name}'",
                    cause="it has no default",
                    cure=f"mulle run {self.name} --param {name}=VALUE",
                )
        return found


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (NameError, AttributeError, TypeError):  # a name that exists only for the type checker
        annotations = getattr(function, "__annotations__", {})
        return {name: hint for name, hint in annotations.items() if not isinstance(hint, str)}


@overload
def step(function: Callable[P, R]) -> Step[P, R]: ...
@overload
def step(
    *,
    cpus: int = 1,
    memory: str | int | None = None,
    timeout: str | None = None,
    retries: int = 0,
    backoff: str = "200ms",
    cache: bool = True,
    environ: Sequence[str] = (),
    files: Sequence[str] = (),
    env: str = "",
    image: str = "",
    gpus: float = 0.0,
    gang: int = 1,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[P, R] | None = None,
    *,
    cpus: int = 1,
    memory: str | int | None = None,
    timeout: str | None = None,
    retries: int = 0,
    backoff: str = "200ms",
    cache: bool = True,
    environ: Sequence[str] = (),
    files: Sequence[str] = (),
    env: str = "",
    image: str = "",
    gpus: float = 0.0,
    gang: int = 1,
) -> Step[P, R] | Callable[[Callable[P, R]], Step[P, R]]:
    """Make a function a step.

    Args:
        function: the function, when the decorator is used without arguments.
        cpus: cores that it may keep busy; the numeric libraries are held to them.
        memory: what it may use, as "2GiB": it waits until there is so much, and is ended when it holds more.
        timeout: how long it may take, as "10m".
        retries: how often it is tried again after a failure.
        backoff: the longest pause before the first retry; it doubles with each, up to a minute. Half of it is drawn.
        cache: whether its outputs may be taken from the memo when nothing changed.
        environ: names of the environment variables that it reads; with another value of one it runs again.
        files: paths of the files that it reads, and patterns such as "conf/*.yaml", from the project's folder; with
            another content of one it runs again.
        env: a lock file below the project's root: the step runs in an environment of its own, with what the file lists.
        image: an OCI image: the step runs in a container of it.
        gpus: GPUs that it is given, also a part of one, as 0.5; CUDA_VISIBLE_DEVICES names them.
        gang: in how many processes it runs at once, each with `cpus`, `memory` and `gpus`: all begin together. RANK and
            WORLD_SIZE tell them apart, as with torchrun; what rank 0 returns is the step's output.
    """
    asked = options(
        cpus=cpus,
        memory=memory,
        timeout=timeout,
        retries=retries,
        backoff=backoff,
        cache=cache,
        environ=environ,
        files=files,
        env=env,
        image=image,
        gpus=gpus,
        gang=gang,
    )
    if function is not None:
        return Step(function, asked)
    return lambda function: Step(function, asked)


def options(
    *,
    cpus: int,
    memory: str | int | None,
    timeout: str | None,
    retries: int,
    backoff: str,
    cache: bool,
    environ: Sequence[str],
    files: Sequence[str],
    env: str = "",
    image: str = "",
    gpus: float = 0.0,
    gang: int = 1,
) -> Options:
    """What a step asks for, read from what the user wrote.

    Raises:
        UsageError: one of them cannot be.
    """
    return Options(
        cpus=max(1, cpus),
        memory=0 if memory is None else size(memory),
        timeout=0.0 if timeout is None else duration(timeout).total_seconds(),
        retries=max(0, retries),
        cache=cache,
        backoff=duration(backoff).total_seconds(),
        environ=_names("environ", environ),
        files=_names("files", files),
        env=env,
        image=image,
        gpus=max(0.0, gpus),
        gang=max(1, gang),
    )


@overload
def pipeline(function: Callable[P, R]) -> Pipeline[P, R]: ...
@overload
def pipeline(*, name: str | None = None) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(
    function: Callable[P, R] | None = None, *, name: str | None = None
) -> Pipeline[P, R] | Callable[[Callable[P, R]], Pipeline[P, R]]:
    """Make a function a pipeline: run by its name, its calls of steps traced into a graph.

    Args:
        function: the function, when the decorator is used without arguments.
        name: the pipeline's name; the function's own by default.
    """

    def make(function: Callable[P, R]) -> Pipeline[P, R]:
        made = Pipeline(function, name or function.__name__)
        define("pipeline", made.name, made)
        return made

    return make if function is None else make(function)


def _names(option: str, given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise UsageError(
            f"@mulle.step({option}=…) takes a list", cause=f"it was given '{given}'", cure=f'{option}=["{given}"]'
        )
    return tuple(dict.fromkeys(given))
