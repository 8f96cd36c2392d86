"""The port that runs tasks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from mulle.pipelines.task import Outcome, Task


class Executor(Protocol):
    """Runs tasks, in this process or elsewhere. Safe to use from several threads.

    Every submitted task comes to exactly one outcome: whatever user code raises, a timeout and a worker that dies are
    failures in the outcome, never exceptions of the future. Outputs of a successful outcome are safe on the disk.
    """

    elsewhere: bool
    """Whether tasks run in other processes, which find a step's function by its name."""

    @property
    def capacity(self) -> int:
        """How many cores tasks may keep busy in all."""

    @property
    def ahead(self) -> int:
        """How many tasks beyond those it takes at once, to have short ones at hand without asking for them."""

    def submit(self, task: Task, function: Callable[..., Any] | None) -> Future[Outcome]:
        """Begin the task, or queue it. `function` is the step's own, for executors that share this process."""

    def cancel(self, step_run: str) -> None:
        """End the task as soon as can be: a failure of the kind "Cancelled". Unknown ones are ignored."""

    def preempt(self, step_run: str) -> None:
        """End a task whose room is needed: a failure of the kind "Preempted", after which it is begun again."""

    def close(self) -> None:
        """End everything. May be called more than once."""
