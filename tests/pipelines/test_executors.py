"""The contract of executors, run against both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mulle.clock import SystemClock
from mulle.definitions import Definitions
from mulle.pipelines.executor import Executor
from mulle.pipelines.in_process import InProcess
from mulle.pipelines.pool import ProcessPool
from mulle.pipelines.values import Shelf
from mulle.pipelines.worker import Place
from mulle.testing.executors import ElsewhereContract, ExecutorContract


class TestInProcess(ExecutorContract):
    @pytest.fixture
    def executor(self, project: Path, shelf: Shelf) -> Iterator[Executor]:
        made = InProcess(shelf, SystemClock(), project / ".mulle", Definitions)
        yield made
        made.close()


@pytest.mark.slow
class TestProcessPool(ElsewhereContract):
    @pytest.fixture
    def executor(self, project: Path) -> Iterator[Executor]:
        made = ProcessPool(Place(str(project), "project", str(project / ".mulle")), 2)
        yield made
        made.close()
