"""What runs the steps of a workspace, by name: two executors of mulle's own, and those that are found by entry point.

An entry point of the group `mulle.executors` is a function of the place of the project, the most cores to use of a
machine (0: all) and the address of the cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from mulle.errors import unknown
from mulle.resources import cpus_available

if TYPE_CHECKING:
    from mulle.pipelines.executor import Executor
    from mulle.pipelines.values import Shelf
    from mulle.pipelines.worker import Place
    from mulle.workspace.planes import Planes

GROUP = "mulle.executors"
OWN = ("process", "in-process")


def make(ws: Planes, name: str, place: Place, away: Callable[[], Executor]) -> Executor:
    """The executor of a name; `away` gives the one for steps that cannot run in this process.

    Raises:
        UnknownNameError: there is none of that name.
    """
    settings = ws.settings
    if name == "process":
        from mulle.pipelines.pool import ProcessPool  # noqa: PLC0415 - start-up time

        return ProcessPool(place, settings.workers or cpus_available())
    if name == "in-process":
        from mulle.pipelines.in_process import InProcess  # noqa: PLC0415 - start-up time

        return InProcess(shelf_of(ws), ws.clock, ws.root, lambda: ws.project.definitions, away)
    for entry in entry_points(group=GROUP, name=name):
        made: Executor = entry.load()(place, settings.workers, settings.cluster)
        return made
    known = [*OWN, *(entry.name for entry in entry_points(group=GROUP))]
    raise unknown("executor", name, known, cure="--executor process")


def shelf_of(ws: Planes) -> Shelf:
    """Where the values between the steps of a workspace are kept."""
    from mulle.pipelines.values import Shelf  # noqa: PLC0415 - start-up time

    return Shelf(ws.store, ws.signer, ws.root / "tmp")
