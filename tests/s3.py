"""A real S3 server, one for all tests of a process; skipped, and said so, where it cannot be installed."""

from __future__ import annotations

import atexit
import functools
import tempfile
from pathlib import Path

import pytest

from mulle.testing.ceph import Gateway, missing_programs

GROUP = pytest.mark.xdist_group("s3")
"""The tests that need it run in one process."""


@functools.cache
def _started() -> Gateway:
    found = Gateway(Path(tempfile.mkdtemp(prefix="mulle-s3-")) / "ceph").start()
    atexit.register(found.folder.parent.rmdir)
    atexit.register(found.stop)
    return found


def gateway() -> Gateway:
    """The server, started by the first test that asks."""
    absent = missing_programs()
    if absent:
        pytest.skip(f"no S3 server here: {', '.join(absent)} not installed (scripts/install_ceph.sh)")
    return _started()
