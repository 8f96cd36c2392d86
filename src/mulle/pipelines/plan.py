"""What is fixed when a run begins, and how far each of its steps is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mulle.pipelines.model import StepRun, StepStatus
from mulle.pipelines.task import Argument, Reading
from mulle.tracking.reporting import Line

if TYPE_CHECKING:
    from mulle.data.model import Version as DatasetVersion
    from mulle.pipelines.graph import Graph, Node
    from mulle.pipelines.keys import Codes, Inputs
    from mulle.resources.admission import Grant


@dataclass(frozen=True)
class Trialling:
    """What makes a run a trial: the experiment that it belongs to, and where its steps tell their values."""

    experiment: str
    line: Line


@dataclass(frozen=True)
class Plan:
    """All that is fixed when a run begins."""

    graph: Graph
    heads: Mapping[str, DatasetVersion]
    as_of: datetime | None
    codes: Codes
    inputs: Inputs
    readings: Mapping[str, Reading]
    project_version: str
    root: Path
    """The project's folder."""
    experiment: str = ""
    line: Line | None = None
    """Where the steps of a trial tell its values."""


@dataclass(eq=False, slots=True)
class Ongoing:
    """A node of the run on its way."""

    node: Node
    row: StepRun
    before: list[str]
    """The names of the steps whose outputs it takes."""
    arguments: dict[str, Argument] = field(default_factory=dict)
    owner: str = ""
    worth: float = 0.0
    not_before: float = 0.0
    preempted: int = 0
    lost: int = 0
    """How many nodes were lost under it."""
    """How many of its attempts were ended for the sake of another step; they do not count."""
    asked: int = 0
    """The turn in which the memo was asked; it is asked again in the turn in which the step would begin."""
    reported: StepStatus = "pending"
    grant: Grant | None = None
    """What it may use while it runs."""

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among the others: in the order of calls; what one call became, as it was made."""
        return self.row.position, self.row.id

    @property
    def caches(self) -> bool:
        """Whether its outputs may be taken from the memo, and are entered there."""
        return self.node.step is None or self.node.step.options.cache
