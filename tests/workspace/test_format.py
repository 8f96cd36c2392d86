"""The workspace on disk: made whole, by one process or several, and never made over what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mulle.clock import ClockIds, SystemClock
from mulle.errors import CatalogError
from mulle.workspace import format as disk

MAKER = """
import sys
from pathlib import Path
from mulle.clock import ClockIds, SystemClock
from mulle.workspace import format as disk
from mulle.workspace.tables import declare_all
declare_all()
print("ready", flush=True)
sys.stdin.readline()
clock = SystemClock()
disk.make(Path(sys.argv[1]), clock, ClockIds(clock))
disk.check(Path(sys.argv[1]))
"""


def make(folder: Path) -> None:
    clock = SystemClock()
    disk.make(folder, clock, ClockIds(clock))


def test_a_workspace_is_made_once(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path)
    disk.check(tmp_path)


def test_processes_that_make_it_at_once_all_find_it_made(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKER, str(tmp_path / "w")]
    makers = [subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) for _ in range(3)]
    for maker in makers:
        assert maker.stdout is not None
        maker.stdout.readline()
    told = [maker.communicate("go\n")[1] for maker in makers]
    assert ([maker.returncode for maker in makers], told) == ([0, 0, 0], ["", "", ""])


def test_what_a_kill_left_behind_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("")
    (tmp_path / "catalog.db").touch()
    assert not disk.made(tmp_path)
    make(tmp_path)
    disk.check(tmp_path)


def test_a_catalog_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "0123456789abcdef.pack").touch()
    with pytest.raises(CatalogError, match="is gone"):
        make(tmp_path)


def test_a_newer_workspace_is_not_made_over(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("mulle-workspace 2\n")
    with pytest.raises(CatalogError, match="has format 2"):
        make(tmp_path)
    assert (tmp_path / "format").read_text() == "mulle-workspace 2\n"
