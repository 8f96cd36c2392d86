"""How numeric libraries are held to the cores that a step asked for: by what they read when they are loaded.

OpenMP's threads wait passively: those of GCC's libgomp, which LightGBM and XGBoost use, else spin for the next parallel
region on a core that another step was given. LightGBM, 20,000 rows, 150 rounds, 2 threads, on 2 cores that others
use too: 2.4 to 8.5 CPU seconds with threads that spin, 0.45 with threads that wait.
"""

from __future__ import annotations

import os

_COUNTS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "PYTHON_CPU_COUNT"),
    "LOKY_MAX_CPU_COUNT",  # what joblib, and by it scikit-learn's n_jobs=-1 and LightGBM, take for the number of cores
)
_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def wait_passively() -> None:
    """Have OpenMP's threads of this process wait passively, unless the user said otherwise; before they are loaded."""
    for name, value in _PASSIVE.items():
        os.environ.setdefault(name, value)


def environment(cpus: int) -> dict[str, str]:
    """The environment variables that hold the libraries of a process to so many cores.

    They say how many threads there are where the program does not; a number in the program's own code is its own. How
    threads wait is left as it is where this process's environment says so.
    """
    passive = {name: value for name, value in _PASSIVE.items() if name not in os.environ}
    return {**dict.fromkeys(_COUNTS, str(max(1, cpus))), **passive}
