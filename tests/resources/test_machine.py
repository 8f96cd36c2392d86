from pathlib import Path

import pytest

from mulle.resources import cpus_available, machine
from mulle.resources.machine import _gpus, memory_available


def test_this_machine_has_something() -> None:
    here = machine()
    assert here.cpus >= 1
    assert here.memory_bytes > 1 << 20
    assert here.python.startswith("3.")


@pytest.mark.parametrize(("limit", "cpus"), [("50000 100000", 1), ("100000 100000", 1), ("25000 100000", 1)])
def test_a_containers_quota_counts(tmp_path: Path, limit: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert cpus_available(tmp_path) == cpus


@pytest.mark.parametrize("text", ["max 100000\n", "", "nonsense"])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cpus_available(tmp_path) == cpus_available(tmp_path / "absent")


def test_a_containers_memory_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory_available(tmp_path) == 1_000_000


def test_gpus_are_read_from_the_driver(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0" / "information").write_text("Model: \t NVIDIA H200\nBus Location: \t 0000:01:00.0\n")
    assert [(gpu.name, gpu.bus) for gpu in _gpus(tmp_path)] == [("NVIDIA H200", "0000:01:00.0")]
