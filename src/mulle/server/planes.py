"""The workspace as the faces see it: whatever needs the project's code is asked of the project's process."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from mulle.client.client import Caller, Remote
from mulle.definitions import Definitions
from mulle.hashing import digest_value
from mulle.workspace import Workspace
from mulle.workspace.project import Project

NEEDING = {
    "data": ["commit", "import_", "merge", "tag"],
    "validation": ["check"],
    "pipelines": ["list", "show", "plan", "run", "sweep"],
    "features": ["list", "show", "check", "materialize"],
    "deployments": ["deploy"],
    "monitors": ["list", "status"],
    "exports": ["pipeline", "step"],
    "triggers": ["list", "fire"],
    "backfills": ["plan", "run"],
    "backtests": ["run"],
}
"""By plane, the verbs that need definitions, call the project's functions or load models; the catalog has the rest."""


class Outside(Workspace):
    """A workspace over the same catalog and objects, without the project: `there` is asked what needs it."""

    def __init__(self, workspace: Workspace, there: Caller) -> None:
        super().__init__(workspace.settings, workspace.catalog, workspace.store, workspace.clock, workspace.ids)
        for plane, names in NEEDING.items():
            self.__dict__[plane] = _asking(getattr(self, plane), names, there)

    @cached_property
    def project(self) -> Project:
        """Nothing is defined here."""
        settings = self.settings
        return Project(settings.project, settings.root, settings.module, Definitions(), digest_value([]))

    def close(self) -> None:
        """Let go of what is not the given workspace's."""
        self.features.close()


def _asking(service: Any, names: Iterable[str], there: Caller) -> Any:
    """The service, with the named verbs asked there."""
    kind = type(service)
    remote = Remote(service.plane, kind, there)
    asked = {name: _passed_on(getattr(kind, name), getattr(remote, name)) for name in names}
    made = copy.copy(service)
    made.__class__ = type(kind.__name__, (kind,), asked)
    return made


def _passed_on(function: Callable[..., Any], ask: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(_service: Any, *args: Any, **kwargs: Any) -> Any:
        return ask(*args, **kwargs)

    return call
