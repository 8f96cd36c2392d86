"""Graphics processors as NVML, the library of NVIDIA's driver, reports them; none where there is no driver.

The library comes with the driver (`libnvidia-ml.so.1`), so nothing has to be installed for it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

_CONTROL = Path("/dev/nvidiactl")
_LIBRARY = "libnvidia-ml.so.1"
_UNKNOWN = 1 << 62
_LONGEST = 96
_FULL, _MOST = 7, 256
"""NVML_ERROR_INSUFFICIENT_SIZE, and how many processes of a device are asked for."""


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Pci(ctypes.Structure):
    """nvmlPciInfo_t."""

    _fields_ = (
        ("bus_id_legacy", ctypes.c_char * 16),
        ("numbers", ctypes.c_uint * 5),
        ("bus_id", ctypes.c_char * 32),
    )


class _Process(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute", ctypes.c_uint),
    )


class Graphics:
    """The devices of this machine. Safe from any thread; a device that does not answer counts as idle."""

    def __init__(self, library: Any = None) -> None:
        self._library = library
        self._devices: list[ctypes.c_void_p] = []
        if library is not None and library.nvmlInit_v2() == 0:
            count = ctypes.c_uint()
            library.nvmlDeviceGetCount_v2(ctypes.byref(count))
            for index in range(count.value):
                device = ctypes.c_void_p()
                if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) == 0:
                    self._devices.append(device)

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self._devices)

    def memory(self) -> list[int]:
        """The memory of each device, in bytes."""
        return [self._memory(device).total for device in self._devices]

    def names(self) -> list[tuple[str, str, str]]:
        """The name, the UUID and the bus of each device."""
        name, uuid = "nvmlDeviceGetName", "nvmlDeviceGetUUID"
        return [(self._text(name, device), self._text(uuid, device), self._bus(device)) for device in self._devices]

    def use(self, pids: Collection[int]) -> tuple[float | None, int | None]:
        """What processes keep busy: devices (1.5 is one and a half), and bytes of their memory.

        A device is counted as busy by them where one of them holds memory on it; in a container, where the driver knows
        processes by other numbers, all that is busy counts. None and None where there is no device.
        """
        if not self._devices:
            return None, None
        busy, held = 0.0, 0
        for device in self._devices:
            running = self._processes(device)
            mine = [process for process in running if process.pid in pids]
            if mine:
                busy += self._busy(device)
                held += sum(process.used for process in mine if process.used < _UNKNOWN)
            elif running and not any(Path(f"/proc/{process.pid}").exists() for process in running):
                busy += self._busy(device)
                held += self._memory(device).used
        return round(busy, 2), held

    def _busy(self, device: ctypes.c_void_p) -> float:
        found = _Utilization()
        if self._library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(found)) != 0:
            return 0.0
        return float(found.gpu) / 100

    def _memory(self, device: ctypes.c_void_p) -> Any:
        found = _Memory()
        self._library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(found))
        return found

    def _text(self, function: str, device: ctypes.c_void_p) -> str:
        found = ctypes.create_string_buffer(_LONGEST)
        getattr(self._library, function)(device, found, _LONGEST)
        return found.value.decode("utf-8", "replace")

    def _bus(self, device: ctypes.c_void_p) -> str:
        found = _Pci()
        self._library.nvmlDeviceGetPciInfo_v3(device, ctypes.byref(found))
        name: bytes = found.bus_id
        return name.decode("ascii", "replace")

    def _processes(self, device: ctypes.c_void_p) -> list[Any]:
        count, room = ctypes.c_uint(_MOST), (_Process * _MOST)()
        code = self._library.nvmlDeviceGetComputeRunningProcesses_v3(device, ctypes.byref(count), room)
        return list(room[: min(count.value, _MOST)]) if code in {0, _FULL} else []


@lru_cache(maxsize=1)
def graphics() -> Graphics:
    """The devices of this machine, found once."""
    if not _CONTROL.exists():
        return Graphics()
    try:
        return Graphics(ctypes.CDLL(_LIBRARY))
    except OSError:  # a device without the driver's library
        return Graphics()
