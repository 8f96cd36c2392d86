"""The tutorial's commands are run, one after the other, as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.typed import ROOT, blocks

TUTORIAL = ROOT / "docs" / "en" / "tutorial" / "first-wheel.md"


@pytest.mark.slow
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    script = "set -eu\n" + "\n".join(blocks(TUTORIAL))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deployment:bicycles" in done.stdout
    assert "(oracle)" in done.stdout
