"""Somebody who pushes or pulls, as a process of its own: python -m tests.data.remotes.pusher FOLDER push REMOTE."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.data.remotes.people import Person

from mulle.clock import VirtualClock

if __name__ == "__main__":
    with Person(Path(sys.argv[1]), VirtualClock(datetime(2026, 4, 1, tzinfo=UTC))) as person:
        os.write(1, b"begun\n")
        go = person.data.push if sys.argv[2] == "push" else person.data.pull
        go("images", sys.argv[3])
