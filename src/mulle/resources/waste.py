"""What steps asked for against what they used, and what they should ask for: pure functions of the past."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mulle.resources.model import Past, Waste
from mulle.resources.prices import GIB, HOUR, gpu_hour

if TYPE_CHECKING:
    from mulle.config.resources import PricesSection

CPU_HEADROOM, MEMORY_HEADROOM = 1.2, 1.25
_P = 0.95
_ENOUGH = 1.0
"""Seconds: what is over sooner says nothing of what it needs."""
_GRAIN = 64 * 2**20
_SLACK = 1.5
"""A request is left alone up to so many times what is proposed."""


def waste(found: Sequence[Past], prices: PricesSection) -> list[Waste]:
    """By pipeline and step, the most wasteful first. Only executions that came to their end count."""
    by_step: dict[tuple[str, str], list[Past]] = {}
    for past in found:
        if past.outcome == "done" and past.seconds > 0:
            by_step.setdefault((past.pipeline, _called(past.step)), []).append(past)
    rows = [_of(pipeline, step, each, prices) for (pipeline, step), each in by_step.items()]
    return sorted(rows, key=lambda row: (-row.wasted, -row.wasted_cpu_hours, -row.wasted_gib_hours, row.step))


def p95(values: Sequence[float]) -> float:
    """The value that 95 % do not exceed, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(_P * len(ordered)) - 1)]


def propose_cpus(cores: Sequence[float], gang: int = 1) -> int:
    """How many cores each process should ask for: what 95 % of the times kept busy, with room to spare."""
    return max(1, math.ceil(round(p95(cores) * CPU_HEADROOM / gang, 2) - 0.1))


def propose_memory(peaks: Sequence[int], gang: int = 1) -> int:
    """How many bytes each process should ask for: what 95 % of the times had at the peak, with room to spare."""
    return math.ceil(p95(peaks) * MEMORY_HEADROOM / gang / _GRAIN) * _GRAIN


def _of(pipeline: str, step: str, times: Sequence[Past], prices: PricesSection) -> Waste:
    last = max(times, key=lambda past: past.ended)
    telling = [past for past in times if past.seconds >= _ENOUGH]
    cores = [past.cpu_seconds / past.seconds for past in telling or times]
    peaks = [past.peak_memory for past in times]
    cpu = sum(max(0.0, past.cpus * past.seconds - past.cpu_seconds) for past in times) / HOUR
    gib = sum(max(0.0, past.memory - past.peak_memory) * past.seconds for past in times) / GIB / HOUR
    gpu = sum(max(0.0, past.gpus - past.gpus_used) * past.seconds for past in times) / HOUR
    paid = sum(max(0.0, past.gpus - past.gpus_used) * past.seconds * gpu_hour(prices, past.gpu) for past in times)
    cpus, memory = propose_cpus(cores, last.gang), propose_memory(peaks, last.gang)
    return Waste(
        pipeline=pipeline,
        step=step,
        times=len(times),
        cpus=last.cpus,
        cpus_used=p95(cores),
        memory=last.memory,
        peak_memory=int(p95(peaks)),
        gpus=last.gpus,
        gpus_used=sum(past.gpus_used for past in times) / len(times),
        waited=sum(past.waited for past in times) / len(times),
        wasted_cpu_hours=cpu,
        wasted_gib_hours=gib,
        wasted_gpu_hours=gpu,
        wasted=cpu * prices.cpu_hour + gib * prices.gib_hour + paid / HOUR,
        currency=prices.currency,
        propose_cpus=cpus,
        propose_memory=memory,
        cure=_cure(last, cpus, memory, short=not telling),
    )


def _cure(last: Past, cpus: int, memory: int, *, short: bool) -> str:
    """What to write where a request is far off: too much, or less memory than was used."""
    asked, each = last.cpus / last.gang, last.memory / last.gang
    changes = []
    if not short and asked > cpus * _SLACK - 0.5 + 1e-9:
        changes.append(f"cpus={cpus}")
    if each and (each > memory * _SLACK or each < memory / MEMORY_HEADROOM):
        changes.append(f'memory="{size_in_words(memory)}"')
    return f"@mulle.step({', '.join(changes)})" if changes else ""


def size_in_words(count: int) -> str:
    """Bytes as a request says them: "512MiB", "1.5GiB"."""
    return f"{count / 2**30:g}GiB" if count >= 2**30 and count % 2**28 == 0 else f"{math.ceil(count / 2**20)}MiB"


def _called(step: str) -> str:
    """The step's name without which call and which item it was: `train-2` and `load[3]` are the steps' own."""
    name = step.partition("[")[0]
    head, dash, number = name.rpartition("-")
    return head if dash and number.isdigit() else name
