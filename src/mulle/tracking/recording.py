"""Recording from user code: `log_metric`, `log_param`, `log_artifact`, each one append to the spool.

Inside a step, and inside `mulle.start_run()`, what is logged belongs to that run. Elsewhere the calls do nothing, so
that functions which log can be called and tested as plain functions.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mulle.errors import PrunedError, UsageError

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.spool import SpoolWriter
    from mulle.store import ObjectStore
    from mulle.tracking.reporting import Reporter

OBJECTIVE = "objective"
"""The metric that `report` logs."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_KEY = 250
_LONGEST_VALUE = 6000

Fact: TypeAlias = "MetricFact | ParamFact | ArtifactFact"


class MetricFact(msgspec.Struct, frozen=True, tag="m", array_like=True):
    """One point as it lies in the spool; `at` in microseconds since 1970."""

    owner: str
    key: str
    value: float
    step: int | None
    at: int


class ParamFact(msgspec.Struct, frozen=True, tag="p", array_like=True):
    """One parameter as it lies in the spool."""

    owner: str
    key: str
    value: Any


class ArtifactFact(msgspec.Struct, frozen=True, tag="a", array_like=True):
    """One artifact as it lies in the spool."""

    owner: str
    name: str
    digest: str
    kind: Literal["file", "tree"]
    bytes: int


class Recorder:
    """Appends one owner's facts to the spool. Safe from any thread; opens nothing before the first fact."""

    def __init__(
        self,
        owner: str,
        spool: Callable[[], SpoolWriter],
        store: ObjectStore,
        clock: Clock,
        reporter: Reporter | None = None,
    ) -> None:
        self.owner = owner
        self.reporter = reporter
        self.count = 0
        self._spool = spool
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()

    def metric(self, key: str, value: float, step: int | None) -> None:
        at = (self._clock.now() - _EPOCH) // _MICROSECOND
        self._append(MetricFact(self.owner, key, value, step, at))

    def param(self, key: str, value: Any) -> None:
        self._append(ParamFact(self.owner, key, value))

    def artifact(self, name: str, path: Path) -> None:
        """Keep the file or folder; it is on the disk before the fact that names it."""
        from mulle.store import put_tree  # noqa: PLC0415 - start-up time: few steps keep artifacts

        if path.is_dir():
            digest, kind = put_tree(self._store, path), "tree"
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        else:
            digest, kind, size = self._store.put_file(path), "file", path.stat().st_size
        self._store.flush()
        self._append(ArtifactFact(self.owner, name, digest, kind, size))  # type: ignore[arg-type]

    def _append(self, fact: Fact) -> None:
        self._spool().append(msgspec.msgpack.encode(fact))
        with self._lock:
            self.count += 1


_current: ContextVar[Recorder | None] = ContextVar("mulle_recorder", default=None)
_active: list[Recorder] = []


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Within the block, what user code logs goes to `recorder`; threads that it starts included."""
    token = _current.set(recorder)
    _active.append(recorder)
    try:
        yield recorder
    finally:
        _active.remove(recorder)
        _current.reset(token)


def _recorder() -> Recorder | None:
    found = _current.get()
    if found is None and len(_active) == 1:  # a thread that user code started has no context of its own
        return _active[0]
    return found


def log_metric(key: str, value: float, step: int | None = None) -> None:
    """Record one value of a metric.

    Args:
        key: the metric's name, at most 250 characters.
        value: a number; NaN and infinities are kept as they are.
        step: where on the curve; counted up by itself when left out.
    """
    recorder = _recorder()
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"the metric '{key}' was given {type(value).__name__} {value!r:.60}",
            cause="a metric is a number",
            cure="log text with mulle.log_param",
        ) from None
    if recorder is not None:
        recorder.metric(_checked(key), number, None if step is None else int(step))
        if step is not None and recorder.reporter is not None and recorder.reporter.line.metric == key:
            recorder.reporter.tell(int(step), number)


def report(step: int, value: float) -> None:
    """Tell how good the objective is on the way, as the metric "objective"; in a study, end where it is not worth it.

    Args:
        step: how far it is: an epoch, a number of trees or of rows.
        value: the objective there.

    Raises:
        PrunedError: the study's pruner ends this trial. Let it pass.
    """
    log_metric(OBJECTIVE, value, step)
    recorder = _recorder()
    if recorder is not None and recorder.reporter is not None:
        if recorder.reporter.line.metric != OBJECTIVE:
            recorder.reporter.tell(int(step), float(value))
        if should_prune():
            raise PrunedError(step)


def should_prune() -> bool:
    """Whether the study's pruner ends this trial, after what was told last; never outside of a study.

    A step that was told so is over, whatever it returns: its outputs are not kept.
    """
    recorder = _recorder()
    if recorder is None or recorder.reporter is None or not recorder.reporter.ending:
        return False
    recorder.reporter.heeded = True
    return True


def log_param(key: str, value: Any) -> None:
    """Record a parameter: a number, text, or a small structure of such; anything else by its repr."""
    recorder = _recorder()
    if recorder is None:
        return
    try:
        plain = msgspec.to_builtins(value)
        if isinstance(plain, float) and not math.isfinite(plain):
            plain = repr(plain)
        msgspec.json.encode(plain)
    except (TypeError, ValueError, msgspec.MsgspecError):
        plain = repr(value)
    recorder.param(_checked(key), plain[:_LONGEST_VALUE] if isinstance(plain, str) else plain)


def log_artifact(path: str | os.PathLike[str], name: str | None = None) -> None:
    """Keep a file or folder with the run.

    Args:
        path: what to keep.
        name: its name with the run; the file's own by default.
    """
    recorder = _recorder()
    source = Path(path)
    if not source.exists():
        raise UsageError(
            f"there is no file '{source}' to keep",
            cause=f"the working folder is {Path.cwd()}",
            cure="write the file before mulle.log_artifact, or give its absolute path",
        )
    if recorder is not None:
        recorder.artifact(_checked(name or source.name), source)


def _checked(key: str) -> str:
    if not isinstance(key, str) or not key or len(key) > _LONGEST_KEY:
        raise UsageError(
            f"{key!r:.60} cannot name a metric, parameter or artifact",
            cause=f"a name is text of 1 to {_LONGEST_KEY} characters",
            cure="choose a shorter name",
        )
    return key
