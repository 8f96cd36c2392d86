"""Amounts of CPUs, memory and GPUs, and the room that is left of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

EPSILON = 1e-9
"""Fractions of a device are sums of floats."""


class Amount(msgspec.Struct, frozen=True):
    """So much of each: cores, bytes, devices (a device may be shared: 0.5)."""

    cpus: float = 0.0
    memory: int = 0
    gpus: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpus + other.cpus, self.memory + other.memory, self.gpus + other.gpus)

    def __mul__(self, times: float) -> Amount:
        return Amount(self.cpus * times, int(self.memory * times), self.gpus * times)

    def within(self, other: Amount) -> bool:
        """Whether there is no more of anything than in the other."""
        return not self.beyond(other)

    def beyond(self, other: Amount) -> list[str]:
        """Of what there is more than in the other."""
        pairs = [
            ("cpus", self.cpus, other.cpus),
            ("memory", self.memory, other.memory),
            ("gpus", self.gpus, other.gpus),
        ]
        return [name for name, mine, there in pairs if mine > there + EPSILON]

    def share(self, total: Amount) -> float:
        """The dominant share (Ghodsi and others, NSDI 2011): the largest of the shares of what there is of each."""
        pairs = [(self.cpus, total.cpus), (self.memory, total.memory), (self.gpus, total.gpus)]
        return max((mine / there for mine, there in pairs if there > 0), default=0.0)


def total(amounts: Iterable[Amount]) -> Amount:
    """All together."""
    found = Amount()
    for amount in amounts:
        found += amount
    return found


class Room:
    """What is left of a pool. Things are taken from it and given back; it may go below nothing where one reserves."""

    def __init__(self, amount: Amount, devices: Mapping[str, float]) -> None:
        self.cpus = amount.cpus
        self.memory = amount.memory
        self.devices = dict(devices)
        """Device → the fraction of it that is free."""

    def copy(self) -> Room:
        return Room(Amount(self.cpus, self.memory), self.devices)

    def lacks(self, need: Amount, gang: int = 1) -> list[str]:
        """Of what there is too little; nothing is lacking where the need fits."""
        lacking = []
        if need.cpus > self.cpus + EPSILON:
            lacking.append("cpus")
        if need.memory > self.memory:
            lacking.append("memory")
        if need.gpus and self.choose(need.gpus, gang) is None:
            lacking.append("gpus")
        return lacking

    def choose(self, gpus: float, gang: int = 1) -> dict[str, float] | None:
        """Devices for a need, or None where they are not free; the same each time.

        Whole devices are those that nobody shares. A fraction goes to the fullest device that it still fits on, so
        that others stay whole. Each of a gang's processes has devices of its own, or its fraction of one.
        """
        each = gpus / gang
        if each >= 1 - EPSILON:
            free = [device for device in sorted(self.devices) if self.devices[device] >= 1 - EPSILON]
            wanted = round(gpus)
            return dict.fromkeys(free[:wanted], 1.0) if len(free) >= wanted else None
        left, chosen = dict(self.devices), dict[str, float]()
        for _ in range(gang):
            fitting = [(left[device], device) for device in left if left[device] >= each - EPSILON]
            if not fitting:
                return None
            device = min(fitting)[1]
            left[device] -= each
            chosen[device] = chosen.get(device, 0.0) + each
        return chosen

    def nearest(self, gpus: float) -> dict[str, float]:
        """The devices that a need will have first: the freest. For keeping them from others."""
        wanted, chosen = gpus, dict[str, float]()
        for device in sorted(self.devices, key=lambda device: (-self.devices[device], device)):
            if wanted <= EPSILON:
                break
            chosen[device] = min(1.0, wanted)
            wanted -= chosen[device]
        return chosen

    def take(self, need: Amount, devices: Mapping[str, float]) -> None:
        self.cpus -= need.cpus
        self.memory -= need.memory
        for device, part in devices.items():
            self.devices[device] = self.devices.get(device, 0.0) - part

    def give(self, need: Amount, devices: Mapping[str, float]) -> None:
        self.take(need * -1, {device: -part for device, part in devices.items()})
