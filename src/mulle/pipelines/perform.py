"""Doing one task: arguments from the store, the user's function, outputs into the store. The same in every executor."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.errors import PipelineError, PrunedError
from mulle.pipelines import checkpoint, values
from mulle.pipelines.failing import explain
from mulle.pipelines.model import ValueRef
from mulle.pipelines.outputs import taken_apart
from mulle.pipelines.sampling import Sampler
from mulle.pipelines.step_folder import step_folders
from mulle.pipelines.task import Outcome, Partition, Task, Version, build, stored_in
from mulle.pipelines.uniting import unite
from mulle.store.leases import leasing
from mulle.tracking import Recorder, recording
from mulle.tracking.reporting import Reporter
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.definitions import Definitions
    from mulle.pipelines.values import Shelf
    from mulle.spool import SpoolWriter

_PEAK = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class Bench:
    """What performing needs: where values are, where logs and metrics go, what the project defines."""

    shelf: Shelf
    clock: Clock
    logs: Path
    spool: Callable[[], SpoolWriter]
    definitions: Callable[[], Definitions]
    sampler: Sampler = field(default_factory=Sampler)
    threads: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """What limits the thread pools of the libraries that are loaded, by their names."""


@leasing(lambda _, bench, *__: bench.shelf.store)
def perform(task: Task, bench: Bench, function: Callable[..., Any] | None = None) -> Outcome:
    """Run one attempt and tell what became of it; whatever user code raises is a failure in the outcome.

    Args:
        task: what to do.
        bench: what there is to do it with.
        function: the step's function where it is at hand; imported by its name otherwise.
    """
    reporter = None if task.line is None else Reporter(task.line)
    recorder = Recorder(task.owner, bench.spool, bench.shelf.store, bench.clock, reporter)
    kept = checkpoint.Checkpoints(bench.shelf, task.key)
    bench.sampler.begin()
    _reset_peak()
    cpu, began = _cpu_seconds(), time.perf_counter()
    refs: list[ValueRef] = []
    failure = None
    try:
        with (
            recording(recorder),
            checkpoint.using(kept),
            step_folders(bench.shelf.scratch),
            limited(task.cpus, bench),
            declared(task.environ),
        ):
            refs = _outputs(task, bench, function)
        bench.shelf.store.flush()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - user code raises anything, sys.exit included
        failure = explain(error)
    if reporter is not None:
        reporter.close()
        if reporter.heeded:  # what a step gives that was cut short must not become known as its output
            failure = explain(PrunedError())
    return Outcome(
        step_run=task.step_run,
        outputs=[] if failure else refs,
        failure=failure,
        seconds=time.perf_counter() - began,
        cpu_seconds=max(0.0, _cpu_seconds() - cpu),
        peak_memory=_peak_memory(),
        facts=recorder.count,
        samples=bench.sampler.end(),
        checkpoints=kept.count,
    )


def announce(task: Task) -> None:
    """Say in the log where another attempt begins."""
    attempt = task.owner.partition("#")[2]
    if attempt:
        sys.stderr.write(f"--- attempt {attempt} ---\n")


def _result(task: Task, bench: Bench, function: Callable[..., Any] | None) -> Any:
    if task.reading is not None:
        return _training_set(task, bench)
    call = function or _function(task)
    arguments = {
        name: build(argument, lambda ref: values.decode(ref, bench.shelf), lambda held: _version(held, bench.shelf))
        for name, argument in task.arguments.items()
    }
    return _call(call, arguments)


def _version(held: Version | Partition, shelf: Shelf) -> Any:
    """The rows of a version or partition; the files of a partition, in a folder."""
    if isinstance(held, Version):
        from mulle.data.reading import read_version  # noqa: PLC0415 - start-up time: polars

        return read_version(shelf.store, Digest(held.manifest))
    if not held.pieces:
        return values.decode(ValueRef("folder", held.digest), shelf)
    from mulle.data.splitting import decode_pieces, rows_of  # noqa: PLC0415 - start-up time: polars

    return rows_of(shelf.store, decode_pieces(held.pieces), held.by, held.key)


def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call by the parameters' kinds: positional-only ones by place, collected ones spread out."""
    import inspect  # noqa: PLC0415 - start-up time of workers: polars has loaded it by now

    bound = inspect.signature(function).bind_partial()
    bound.arguments.update(arguments)
    return function(*bound.args, **bound.kwargs)


def _function(task: Task) -> Callable[..., Any]:
    found: Any = getattr(importlib.import_module(task.module), task.attribute, None)
    if found is None:
        raise PipelineError(
            f"the step '{task.name}' is not there any more",
            cause=f"the module '{task.module}' defines no '{task.attribute}'",
            cure="run again: the project changed while the run was under way",
        )
    function: Callable[..., Any] = found.function
    return function


def _training_set(task: Task, bench: Bench) -> Any:
    from mulle import features  # noqa: PLC0415 - start-up time: polars

    reading = task.reading
    assert reading is not None
    definitions = bench.definitions()
    dataset = definitions.get("dataset", reading.dataset)
    views = [definitions.get("feature_view", name) for name in reading.views]
    spec = features.TrainingSpec(
        dataset=dataset,
        manifest=Digest(reading.manifests[dataset.name]),
        views=tuple((view, Digest(reading.manifests[view.source.name])) for view in views),
        window=timedelta(seconds=reading.window),
        as_of=reading.as_of,
    )
    return features.build_training_set(bench.shelf.store, spec)


def _outputs(task: Task, bench: Bench, function: Callable[..., Any] | None) -> list[ValueRef]:
    shelf = bench.shelf
    if task.union is not None:
        return [unite(task.union, [each.ref for each in stored_in(task.arguments["results"])], shelf)]
    result = _result(task, bench, function)
    if task.outputs is None:
        return [values.encode(result, shelf)]
    return [values.encode(item, shelf) for item in taken_apart(result, task.outputs, task.names, task.name)]


@contextlib.contextmanager
def declared(environ: Mapping[str, str | None]) -> Iterator[None]:
    """Within the block, the environment variables are what the memo key says, whenever this process was started."""
    before = {name: os.environ.get(name) for name in environ}
    _set(environ)
    try:
        yield
    finally:
        _set(before)


def _set(environ: Mapping[str, str | None]) -> None:
    for name, value in environ.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


# -- logs ------------------------------------------------------------------------------------------------------------


class LogFile(io.TextIOBase):
    """A text stream into a file that is made when the first text comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.TextIOWrapper | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self._file.write(text)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        super().close()
        if self._file is not None:
            self._file.close()


@contextlib.contextmanager
def captured(path: Path) -> Iterator[LogFile]:
    """Within the block, what this process prints by Python goes into the file."""
    log = LogFile(path)
    with contextlib.closing(log), contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        yield log


# -- resources -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited(cpus: int, bench: Bench) -> Iterator[None]:
    """Within the block, the numeric libraries that are loaded keep no more than `cpus` cores busy."""
    controller = _controller(bench)
    if controller is None:
        yield
        return
    with controller.limit(limits=cpus):
        yield


def _controller(bench: Bench) -> Any:
    """A threadpoolctl controller over the libraries loaded by now; None where threadpoolctl is not installed."""
    loaded = tuple(
        name for name in ("numpy", "scipy", "sklearn", "lightgbm", "xgboost", "torch") if name in sys.modules
    )
    if not loaded:
        return None
    if loaded not in bench.threads:
        try:
            from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - optional, and slow to look around
        except ImportError:
            bench.threads[loaded] = None
        else:
            bench.threads[loaded] = ThreadpoolController()
    return bench.threads[loaded]


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        _PEAK.write_text("5")


def _peak_memory() -> int:
    """The most memory that was resident since the last reset, in bytes."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
    peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
    return int(peak) * 1024
