"""The records of resources."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mulle.resources.claims import Block


class PoolNow(msgspec.Struct, frozen=True, kw_only=True):
    """A pool: how much it has, and how much of it is held now. Memory in bytes."""

    name: str
    cpus: float
    memory: int
    gpus: float
    cpus_held: float
    memory_held: int
    gpus_held: float
    gpu_names: list[str] = []


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A step that holds something now."""

    step_run: str
    run: str
    pipeline: str
    step: str
    project: str
    user: str
    pool: str
    queue: str
    priority: int
    cpus: float
    memory: int
    gpus: float
    gang: int
    devices: list[str]
    since: datetime
    seconds: float
    yields_to: str = ""
    """The step run that it was asked to give way to."""


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A step that waits, in its place."""

    place: int
    step_run: str
    run: str
    pipeline: str
    step: str
    project: str
    user: str
    pool: str
    queue: str
    priority: int
    cpus: float
    memory: int
    gpus: float
    gang: int
    since: datetime
    seconds: float
    why: Block
    lacking: list[str]
    of: str
    """The quota that is full, as "project flights"."""
    text: str
    """Why it waits, in words."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A project's part of a pool: its dominant share now, its weight, and what it had while others waited."""

    pool: str
    project: str
    share: float
    weight: float
    had_hours: float
    """Hours of the whole pool, over its weight."""


class ResourcesNow(msgspec.Struct, frozen=True, kw_only=True):
    """Who uses what now, and who waits for what."""

    at: datetime
    pools: list[PoolNow]
    holders: list[Holder]
    queue: list[Queued]
    shares: list[Share]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a step held, and what it used of it. Times in seconds, memory in bytes."""

    step_run: str
    run: str
    pipeline: str
    step: str
    project: str
    user: str
    pool: str
    queue: str
    cpus: float
    memory: int
    gpus: float
    gpu: str
    gang: int
    asked_cpus: float
    """What was asked for: more than was given where the pool that nobody declared has less."""
    asked_memory: int
    asked: datetime
    granted: datetime
    ended: datetime
    outcome: str
    waited: float
    seconds: float
    cpu_seconds: float
    peak_memory: int
    gpus_used: float
    """GPUs that it kept busy on average, as far as they tell."""


class Waste(msgspec.Struct, frozen=True, kw_only=True):
    """What a step asked for, what it used, and what it should ask for. The newest times that it ran count."""

    pipeline: str
    step: str
    times: int
    cpus: float
    """What it held the last time, of all its processes."""
    cpus_used: float
    """Cores that it kept busy on average, of all but the highest twentieth of its times."""
    memory: int
    peak_memory: int
    """The peak of all but the highest twentieth."""
    gpus: float
    gpus_used: float
    """GPUs that it kept busy on average."""
    waited: float
    """Seconds that it waited for its turn, on average."""
    wasted_cpu_hours: float
    wasted_gib_hours: float
    wasted_gpu_hours: float
    wasted: float
    """What that cost, by the price table."""
    currency: str
    propose_cpus: int
    """For each of its processes, with room to spare."""
    propose_memory: int
    cure: str
    """What to write; empty where the request fits."""


class StepCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's executions cost."""

    step: str
    times: int
    cpu_hours: float
    gib_hours: float
    gpu_hours: float
    cost: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a run cost, or all that taught a model version. Hours are of what was held, not of what was used."""

    of: str
    currency: str
    cost: float
    cpu_hours: float
    gib_hours: float
    gpu_hours: float
    steps: list[StepCost]
    unrecorded: int = 0
    """Step runs of it of which nothing is recorded here."""
    predictions: int = 0
    """How many answers the version gave."""
    answering: float = 0.0
    """What the time in which it answered cost: one core's each."""
    per_thousand: float | None = None
    """What 1,000 predictions cost so far: answering, and the model's own cost spread over them; None without any."""
    note: str = ""
