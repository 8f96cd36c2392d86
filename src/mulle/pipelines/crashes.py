"""Where a process crashed or hangs, read from what faulthandler left in the step's log."""

from __future__ import annotations

import linecache
import re
import signal
from pathlib import Path

from mulle.pipelines.failing import is_users

ASK = signal.SIGRTMIN + 7 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR1
"""The signal on which a worker writes into the step's log where it is, even while C code holds the interpreter."""
_LAST_BYTES = 64 << 10
_FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)
_STACK = re.compile(r"^(?:Stack|Current thread 0x\w+) \(most recent call first\):$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)


def where_it_crashed(log: Path) -> str:
    """The user's own innermost line at the time of the last crash in a log, and the crash; "" where there is none."""
    text = _last(log)
    fatal = list(_FATAL.finditer(text))
    if not fatal:
        return ""
    line = _user_line(text, fatal[-1].end())
    return f"{line}\n{fatal[-1][1]}" if line else fatal[-1][1]


def where_it_is(log: Path) -> str:
    """The user's own innermost line when the process was last asked, by `ASK`; "" where it did not say."""
    return _user_line(_last(log), 0)


def _last(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LAST_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _user_line(text: str, start: int) -> str:
    """The first frame of the user's own in the last stack after `start`."""
    stacks = [match.end() for match in _STACK.finditer(text) if match.end() >= start]
    for file_name, line, name in _FRAME.findall(text, stacks[-1]) if stacks else ():
        if is_users(file_name):
            return f"{file_name}:{line} in {name}: {linecache.getline(file_name, int(line)).strip()}"
    return ""
