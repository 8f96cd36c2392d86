"""A folder of a step's own, made when it is first asked for and deleted when the step is over."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path


class StepFolder:
    """Makes folders below one that is named for this process, so that a later one deletes what a dead one left."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._own: Path | None = None

    def new(self, prefix: str) -> Path:
        """A new, empty folder."""
        if self._own is None:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._own = self._parent / f"{os.getpid()}-{os.urandom(8).hex()}"
            self._own.mkdir()
        return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self._own))

    def remove(self) -> None:
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None

    def _sweep(self) -> None:
        for path in self._parent.iterdir():
            pid = path.name.partition("-")[0]
            if pid.isdigit() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(path, ignore_errors=True)


_current: ContextVar[StepFolder | None] = ContextVar("mulle_step_folder", default=None)


@contextmanager
def step_folders(scratch: Path) -> Iterator[None]:
    """Within the block, `new_folder` makes folders below `scratch`; they are gone when it ends."""
    folder = StepFolder(scratch / "steps")
    token = _current.set(folder)
    try:
        yield
    finally:
        _current.reset(token)
        folder.remove()


def new_folder(prefix: str) -> Path:
    """A new folder that lives as long as the step; outside of one, it stays until somebody deletes it."""
    folder = _current.get()
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-")) if folder is None else folder.new(prefix)
