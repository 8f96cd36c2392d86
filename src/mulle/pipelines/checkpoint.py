"""`mulle.checkpoint`: where a long step is, kept so that the next attempt goes on from there.

    epoch, model = mulle.checkpoint.load() or (0, fresh())
    while epoch < epochs:
        model, epoch = trained(model), epoch + 1
        mulle.checkpoint.save(model, step=epoch)

A checkpoint belongs to the step's memo key: a retry, the next run after a kill, and a step that was moved find it; a
step of other code or inputs does not. It goes when the step has succeeded. Outside a step nothing is kept or found, so
that functions which save checkpoints can be called and tested as plain functions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mulle.errors import MulleError
from mulle.pipelines import values
from mulle.pipelines.checkpoint_folder import CheckpointFolder
from mulle.pipelines.model import ValueRef

if TYPE_CHECKING:
    from mulle.pipelines.values import Shelf


class Saved(NamedTuple):
    """A checkpoint: the number that it was saved under, and what was saved."""

    step: int
    state: Any


class _Newest(msgspec.Struct, frozen=True):
    """What the file `newest` of a key's checkpoints says."""

    step: int
    ref: ValueRef


class Checkpoints:
    """The checkpoints of one step. Opens nothing before the first call; safe from any thread, one at a time."""

    def __init__(self, shelf: Shelf, key: str) -> None:
        """`key` is the step's memo key; "" for a step that has none, of which nothing is kept."""
        self.count = 0
        self._shelf = shelf
        self._key = key

    def save(self, state: Any, step: int) -> None:
        """Replace the checkpoint; on the disk when this returns, or the former one is.

        Raises:
            PipelineError: a value of that kind cannot be kept.
            StoreError: the disk is full or fails.
        """
        if not self._key:
            return
        self.count += 1
        with self._folder() as folder:
            ref = values.encode(state, self._on(folder, folder.scratch))
            folder.commit(msgspec.json.encode(_Newest(step, ref)))

    def load(self) -> Saved | None:
        """The newest checkpoint; None where there is none. One that cannot be read is none, and that is printed."""
        if not self._key or not (place(self._shelf, self._key) / "newest").exists():
            return None
        self.count += 1
        with self._folder() as folder:
            try:
                newest = msgspec.json.decode(folder.newest(), type=_Newest)
                copies = Path(tempfile.mkdtemp(dir=folder.scratch))  # the step may write to what it is given
                return Saved(newest.step, values.decode(newest.ref, self._on(folder, copies)))
            except (MulleError, msgspec.MsgspecError, OSError) as error:
                sys.stderr.write(f"the checkpoint cannot be read, and the step begins anew: {error}\n")
                return None

    def _folder(self) -> CheckpointFolder:
        durable: bool = getattr(self._shelf.store, "durable", True)
        return CheckpointFolder(place(self._shelf, self._key), durable=durable)

    def _on(self, folder: CheckpointFolder, scratch: Path) -> Shelf:
        return values.Shelf(folder, self._shelf.signer, scratch)


def place(shelf: Shelf, key: str) -> Path:
    """The folder of a key's checkpoints."""
    return shelf.scratch.with_name("checkpoints") / key.removeprefix("b3:")


def forget(shelf: Shelf, key: str) -> None:
    """Remove the checkpoints of a key: its step has succeeded."""
    if key:
        CheckpointFolder(place(shelf, key)).remove()


_current: ContextVar[Checkpoints | None] = ContextVar("mulle_checkpoints", default=None)
_active: list[Checkpoints] = []


@contextmanager
def using(checkpoints: Checkpoints) -> Iterator[None]:
    """Within the block, `save` and `load` are of these checkpoints; in threads that it starts too."""
    token = _current.set(checkpoints)
    _active.append(checkpoints)
    try:
        yield
    finally:
        _active.remove(checkpoints)
        _current.reset(token)


def _checkpoints() -> Checkpoints | None:
    found = _current.get()
    if found is None and len(_active) == 1:  # a thread that user code started has no context of its own
        return _active[0]
    return found


def save(state: Any, *, step: int) -> None:
    """Keep where the step is, in place of what was kept before. On the disk when this returns.

    Args:
        state: anything that a step may return: plain values, arrays, tables, models, the path of a file or folder.
        step: how far it is, such as the epoch; `load` gives it back.
    """
    found = _checkpoints()
    if found is not None:
        found.save(state, int(step))


def load() -> Saved | None:
    """Where an earlier attempt at this step was, as `(step, state)`; None where none saved anything.

    A path is given as the path of a copy, which may be changed.
    """
    found = _checkpoints()
    return None if found is None else found.load()
