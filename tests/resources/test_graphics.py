"""Graphics processors: what NVML says, told by a stand-in for the driver's library; and a machine without one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import pytest

from mulle.resources import graphics
from mulle.resources.graphics import Graphics

GIB = 1 << 30


class Driver:
    """Two devices: each with how busy it is in percent, and the bytes that processes hold on it, by pid."""

    def __init__(self, *devices: tuple[int, dict[int, int]]) -> None:
        self._devices = devices

    def nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's names
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._devices)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802
        device._obj.value = index + 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, device: ctypes.c_void_p, found: Any) -> int:  # noqa: N802
        found._obj.gpu = self._of(device)[0]
        return 0

    def nvmlDeviceGetMemoryInfo(self, device: ctypes.c_void_p, found: Any) -> int:  # noqa: N802
        found._obj.total, found._obj.used = 80 * GIB, sum(self._of(device)[1].values())
        return 0

    def nvmlDeviceGetComputeRunningProcesses_v3(self, device: ctypes.c_void_p, count: Any, room: Any) -> int:  # noqa: N802
        for place, (pid, used) in enumerate(self._of(device)[1].items()):
            room[place].pid, room[place].used = pid, used
        count._obj.value = len(self._of(device)[1])
        return 0

    def _of(self, device: ctypes.c_void_p) -> tuple[int, dict[int, int]]:
        assert device.value is not None
        return self._devices[device.value - 1]


def test_without_a_driver_there_is_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(graphics, "_CONTROL", tmp_path / "nvidiactl")
    graphics.graphics.cache_clear()
    found = graphics.graphics()
    graphics.graphics.cache_clear()
    assert (found.count, found.memory(), found.use({os.getpid()})) == (0, [], (None, None))


def test_a_device_without_the_drivers_library_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(graphics, "_CONTROL", tmp_path / "nvidiactl")
    monkeypatch.setattr(graphics, "_LIBRARY", "libno-such-driver.so.1")
    graphics.graphics.cache_clear()
    found = graphics.graphics()
    graphics.graphics.cache_clear()
    assert found.count == 0


def test_what_a_process_uses_of_the_devices() -> None:
    found = Graphics(Driver((50, {os.getpid(): 2 * GIB, 1: GIB}), (80, {1: GIB})))
    assert (found.count, found.memory()) == (2, [80 * GIB, 80 * GIB])
    assert found.use({os.getpid()}) == (0.5, 2 * GIB)


def test_what_others_use_does_not_count() -> None:
    assert Graphics(Driver((80, {1: GIB}))).use({os.getpid()}) == (0.0, 0)


def test_where_the_driver_knows_processes_by_other_numbers_all_counts() -> None:
    assert Graphics(Driver((80, {999_999_999: GIB}))).use({os.getpid()}) == (0.8, GIB)
