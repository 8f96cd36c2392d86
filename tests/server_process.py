"""A real `mulle server` on a project of its own, as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MULLE = Path(sys.executable).parent / "mulle"


@contextmanager
def serving(project: Path) -> Iterator[str]:
    """The URL of a server over the project, which is made where it is missing; it is killed at the end."""
    project.mkdir(parents=True, exist_ok=True)
    (project / "mulle.toml").touch()
    words = [str(MULLE), "-C", str(project), "server", "--port", "0", "--no-turn", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait(20)
