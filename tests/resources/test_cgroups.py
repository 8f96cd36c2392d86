"""Limits by cgroup v2: what is written where. The kernel's part needs a delegated folder, which few machines have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mulle.errors import ConfigError
from mulle.resources.cgroups import Cgroup


@pytest.fixture
def delegated(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    return tmp_path


def test_a_worker_is_limited_in_a_group_of_its_own(delegated: Path) -> None:
    group = Cgroup(delegated, "mulle-1")
    group.join(os.getpid())
    group.limit(1.5, 2 << 30)
    read = {file.name: file.read_text() for file in (delegated / "mulle-1").iterdir()}
    assert read["cgroup.procs"] == str(os.getpid())
    assert (read["memory.max"], read["memory.swap.max"]) == (str(2 << 30), "0")
    assert read["cpu.max"] == "150000 100000"


def test_no_limit_is_written_as_the_kernel_says_it(delegated: Path) -> None:
    group = Cgroup(delegated, "mulle-1")
    group.limit(0, 0)
    assert (delegated / "mulle-1" / "memory.max").read_text() == "max"
    assert (delegated / "mulle-1" / "cpu.max").read_text() == "max 100000"


def test_a_kill_of_the_kernel_is_seen(delegated: Path) -> None:
    group = Cgroup(delegated, "mulle-1")
    events = delegated / "mulle-1" / "memory.events"
    events.write_text("low 0\nmax 3\noom 1\noom_kill 1\n")
    group.limit(1, 1 << 20)
    assert not group.over, "that of an earlier step"
    events.write_text("low 0\nmax 9\noom 2\noom_kill 2\n")
    assert group.over


def test_it_is_removed(delegated: Path) -> None:
    group = Cgroup(delegated, "mulle-1")
    group.remove()
    assert not (delegated / "mulle-1").exists()


@pytest.mark.parametrize(
    ("control", "says"), [(None, "is no folder of cgroup v2"), ("cpu", "does not hand down memory")]
)
def test_a_folder_that_was_not_delegated_is_refused(tmp_path: Path, control: str | None, says: str) -> None:
    if control is not None:
        (tmp_path / "cgroup.subtree_control").write_text(control)
    with pytest.raises(ConfigError, match=says) as caught:
        Cgroup(tmp_path, "mulle-1")
    assert "chown -R USER" in str(caught.value.cure)
