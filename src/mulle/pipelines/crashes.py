"""Where a process crashed, read from what faulthandler left in the step's log."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

from mulle.pipelines.failing import is_users

_LAST_BYTES = 64 << 10
_FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)


def where_it_crashed(log: Path) -> str:
    """The user's own innermost line at the time of the last crash in a log; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    fatal = list(_FATAL.finditer(text))
    if not fatal:
        return ""
    current = text.find("Current thread", fatal[-1].end())
    for file_name, line, name in _FRAME.findall(text, max(current, fatal[-1].end())):
        if is_users(file_name):
            source = linecache.getline(file_name, int(line)).strip()
            return f"{file_name}:{line} in {name}: {source}\n{fatal[-1][1]}"
    return fatal[-1][1]
