"""What was held, in hours and in money: pure functions of the past and a price table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mulle.resources.model import Cost, StepCost

if TYPE_CHECKING:
    from mulle.config.resources import PricesSection
    from mulle.resources.model import Past

HOUR = 3600.0
GIB = 2**30
NO_PRICES = "there is no price table: write [prices] cpu_hour = 0.04 in mulle.toml"
_ANY = "default"


class Hours(NamedTuple):
    """What was held: cores, GiB and GPUs, each times hours; and what that cost."""

    cpu: float
    gib: float
    gpu: float
    cost: float


def hours(past: Past, prices: PricesSection) -> Hours:
    """What one execution held, from its grant to its end; where the catalog's clock stood still, as long as it ran.

    Memory that was not asked for counts by the peak that was seen: somebody had to have it.
    """
    held = max(past.seconds, (past.ended - past.granted).total_seconds()) / HOUR
    cpu = past.cpus * held
    gib = max(past.memory, past.peak_memory) / GIB * held
    gpu = past.gpus * held
    cost = cpu * prices.cpu_hour + gib * prices.gib_hour + gpu * gpu_hour(prices, past.gpu)
    return Hours(cpu, gib, gpu, cost)


def gpu_hour(prices: PricesSection, name: str) -> float:
    """The price of an hour of a GPU: that of its name, or of a part of its name, or of "default"."""
    table = prices.gpu_hour
    if not isinstance(table, dict):
        return table
    fitting = [key for key in table if key != _ANY and key.lower() in name.lower()]
    return table[max(fitting, key=len)] if fitting else table.get(_ANY, 0.0)


def priced(prices: PricesSection) -> bool:
    """Whether anything costs anything."""
    table = prices.gpu_hour
    gpus = any(table.values()) if isinstance(table, dict) else bool(table)
    return bool(prices.cpu_hour or prices.gib_hour or gpus)


def cost(of: str, found: Sequence[Past], prices: PricesSection, *, unrecorded: int = 0) -> Cost:
    """What these executions cost together, and by step, the dearest first."""
    by_step: dict[str, list[Hours]] = {}
    for past in found:
        by_step.setdefault(past.step, []).append(hours(past, prices))
    steps = [_step(name, each) for name, each in by_step.items()]
    steps.sort(key=lambda step: (-step.cost, -step.cpu_hours, step.step))
    return Cost(
        of=of,
        currency=prices.currency,
        cost=sum(step.cost for step in steps),
        cpu_hours=sum(step.cpu_hours for step in steps),
        gib_hours=sum(step.gib_hours for step in steps),
        gpu_hours=sum(step.gpu_hours for step in steps),
        steps=steps,
        unrecorded=unrecorded,
        note="" if priced(prices) else NO_PRICES,
    )


def _step(name: str, held: Sequence[Hours]) -> StepCost:
    return StepCost(
        step=name,
        times=len(held),
        cpu_hours=sum(each.cpu for each in held),
        gib_hours=sum(each.gib for each in held),
        gpu_hours=sum(each.gpu for each in held),
        cost=sum(each.cost for each in held),
    )


def per_thousand(own: float, answering: float, predictions: int) -> float | None:
    """What 1,000 predictions cost so far; None where there are none."""
    return (own + answering) / predictions * 1000 if predictions else None
