"""The GPUs that this process may use, as CUDA counts them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from mulle.resources.graphics import Graphics, graphics


class Gpu(msgspec.Struct, frozen=True):
    """A graphics processor that the driver reports."""

    name: str
    bus: str
    index: str = "0"
    """What CUDA_VISIBLE_DEVICES calls it, where devices count in the order of their buses."""
    uuid: str = ""
    memory_bytes: int = 0


def gpus(found: Graphics | None = None, environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """The GPUs that this process may use: of those that CUDA_VISIBLE_DEVICES names, where it is set."""
    devices = found or graphics()
    told = zip(devices.names(), devices.memory(), strict=True)
    every = [Gpu(name, bus, str(number), uuid, memory) for number, ((name, uuid, bus), memory) in enumerate(told)]
    return visible(every, environment.get("CUDA_VISIBLE_DEVICES"))


def visible(found: Sequence[Gpu], named: str | None) -> list[Gpu]:
    """Those of the GPUs that CUDA_VISIBLE_DEVICES names, by number or by the beginning of the UUID; all if it is unset.

    As with CUDA, the first name that is none ends the list.
    """
    if named is None:
        return list(found)
    chosen: list[Gpu] = []
    for name in (part.strip() for part in named.split(",")):
        fitting = [gpu for gpu in found if gpu.index == name or (name.startswith("GPU-") and gpu.uuid.startswith(name))]
        if len(fitting) != 1:
            break
        chosen += fitting
    return chosen
