"""Begins fitting processes: nothing else, so that they load their libraries while everything else is still imported."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


@dataclass
class Spawned:
    """A fitting process, and the ends of the pipes from it and to it."""

    process: subprocess.Popen[bytes]
    incoming: int
    outgoing: int


def spawn() -> Spawned:
    """Begin a fitting process. It fits in one thread, and ends when the pipe to it does."""
    there, outgoing = os.pipe()
    incoming, back = os.pipe()
    environment = os.environ | {f"{name}_NUM_THREADS": "1" for name in _THREADS} | {"POLARS_MAX_THREADS": "1"}
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", "mulle.tuning.automl.fitting", str(there), str(back)],
        pass_fds=(there, back),
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    os.close(there)
    os.close(back)
    return Spawned(process, incoming, outgoing)
