"""An import that is killed again and again: what comes out at last is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.doors.conftest import Known
from tests.data.doors.test_dvc import require_identical

from mulle.testing.soak import repeat
from mulle.workspace import Workspace


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(repeat(2, 40)))
def test_an_import_that_was_killed_goes_on(dvc: Known, tmp_path: Path, seed: int) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "mulle.toml").write_text('[project]\nname = "p"\n')
    chance = random.Random(seed)
    for _ in range(4):
        command = [sys.executable, "-m", "mulle.cli", "data", "import", "dvc", str(dvc.repo), "--all-revs"]
        process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=0.4 + chance.random())
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    with Workspace.open(project) as ws:
        require_identical(ws.data, dvc, tmp_path / "out")
        report = ws.data.verify()
        assert (report.damaged, report.versions) == ([], 15)
