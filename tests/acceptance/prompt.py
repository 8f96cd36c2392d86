"""The real command line, each call a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.said import Said


def mulle(folder: Path, *words: str | Path, **environment: str) -> Said:
    """Call the real command line as a process of its own."""
    command = [sys.executable, "-m", "mulle.cli", "-C", str(folder), *map(str, words)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environment, timeout=120
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def must(folder: Path, *words: str | Path) -> Any:
    """The JSON of a call that succeeds."""
    said = mulle(folder, *words, "--json")
    assert said.code == 0, said.out + said.err
    return said.json
