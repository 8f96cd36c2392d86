"""What `[resources]` and `[prices]` say: pools, queues, weights, quotas, and what an hour of anything costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from mulle.errors import ConfigError, MulleError
from mulle.types import duration, size

MACHINE = "machine"
"""The pool that is there without settings."""
DEFAULT = "default"
"""The queue that is there without settings."""


class PoolSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[resources.pools.NAME]`. What is not stated is what the machine has."""

    cpus: float | None = None
    memory: str | int | None = None
    gpus: int | list[str] | None = None
    """How many of the machine's, or which: their numbers."""


class QueueSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[resources.queues.NAME]`."""

    priority: int = 0
    """Higher goes first, and takes from the running steps of lower ones."""
    preempts: bool = True
    """Whether its steps may take what running steps of a lower priority hold."""


class QuotaSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[resources.quotas.projects.NAME]` or `.users.NAME`: at most so much at once; no limit where none is stated."""

    cpus: float | None = None
    memory: str | int | None = None
    gpus: float | None = None
    steps: int | None = None


class QuotasSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[resources.quotas]`."""

    projects: dict[str, QuotaSection] = {}
    users: dict[str, QuotaSection] = {}


class ResourcesSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[resources]` as it is written."""

    pool: str = MACHINE
    queue: str = DEFAULT
    patience: str = "10m"
    pin: bool = False
    cgroup: str = ""
    pools: dict[str, PoolSection] = {}
    queues: dict[str, QueueSection] = {}
    weights: dict[str, float] = {}
    quotas: QuotasSection = QuotasSection()


class PricesSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[prices]`: what an hour of one core, one GiB and one GPU costs, the GPU also by its name."""

    currency: str = "USD"
    cpu_hour: float = 0.0
    gib_hour: float = 0.0
    gpu_hour: float | dict[str, float] = 0.0


class PoolLimits(msgspec.Struct, frozen=True):
    """A pool as it is declared; None is what the machine has. `declared` is False for the one that is always there."""

    cpus: float | None = None
    memory: int | None = None
    gpus: int | list[str] | None = None
    declared: bool = True


class Quota(msgspec.Struct, frozen=True):
    """At most so much at once, of one project or user; None is no limit. Memory in bytes."""

    cpus: float | None = None
    memory: int | None = None
    gpus: float | None = None
    steps: int | None = None


class Resources(msgspec.Struct, frozen=True):
    """`[resources]`, checked and complete."""

    pool: str = MACHINE
    """`[resources] pool`: which pool this project's steps take from."""
    queue: str = DEFAULT
    """`[resources] queue` or MULLE_QUEUE: which queue its runs wait in."""
    patience: timedelta = timedelta(minutes=10)
    """`[resources] patience`: a step that waited so long counts as one priority higher."""
    pin: bool = False
    """`[resources] pin`: whether each worker process is held to cores of its own (its affinity)."""
    cgroup: str = ""
    """`[resources] cgroup`: a folder of cgroup v2 that was delegated to this user, in which steps are limited."""
    pools: dict[str, PoolLimits] = {}
    queues: dict[str, QueueSection] = {}
    weights: dict[str, float] = {}
    """`[resources.weights] PROJECT = 2.0`: a project's share in relation to the others', 1 by default."""
    projects: dict[str, Quota] = {}
    users: dict[str, Quota] = {}


def checked(section: ResourcesSection) -> Resources:
    """The settings as the rest of the program takes them.

    Raises:
        ConfigError: an amount cannot be, or a pool or queue is named that is not declared.
    """
    pools = {name: _pool(name, pool) for name, pool in section.pools.items()}
    pools.setdefault(MACHINE, PoolLimits(declared=False))
    queues = {DEFAULT: QueueSection(), **section.queues}
    _declared("pool", section.pool, pools)
    _declared("queue", section.queue, queues)
    for project, weight in section.weights.items():
        if weight <= 0:
            raise _wrong(f"weights] {project}", f"a weight of {weight:g}", "write a number above 0")
    try:
        patience = duration(section.patience)
    except MulleError as error:
        raise ConfigError(f"[resources] patience: {error.message}", cause=error.cause, cure=error.cure) from None
    if patience <= timedelta(0):
        raise _wrong("] patience", f"a patience of {section.patience}", 'write for example "10m"')
    return Resources(
        pool=section.pool,
        queue=section.queue,
        patience=patience,
        pin=section.pin,
        cgroup=section.cgroup,
        pools=pools,
        queues=queues,
        weights=section.weights,
        projects={name: _quota(f"projects.{name}", each) for name, each in section.quotas.projects.items()},
        users={name: _quota(f"users.{name}", each) for name, each in section.quotas.users.items()},
    )


def _declared(kind: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise ConfigError(
            f"[resources] {kind} names '{name}', which is not declared",
            cause=f"there are: {', '.join(sorted(known))}",
            cure=f"declare it: [resources.{kind}s.{name}]",
        )


def _pool(name: str, pool: PoolSection) -> PoolLimits:
    where = f"pools.{name}]"
    if pool.cpus is not None and pool.cpus <= 0:
        raise _wrong(f"{where} cpus", f"{pool.cpus:g} cpus", "write a number above 0")
    if isinstance(pool.gpus, int) and pool.gpus < 0:
        raise _wrong(f"{where} gpus", f"{pool.gpus} gpus", "write 0, or how many")
    return PoolLimits(pool.cpus, _memory(where, pool.memory), pool.gpus)


def _quota(name: str, quota: QuotaSection) -> Quota:
    where = f"quotas.{name}]"
    for key in ("cpus", "gpus", "steps"):
        if (value := getattr(quota, key)) is not None and value < 0:
            raise _wrong(f"{where} {key}", f"{value:g}", "write 0 for nothing at all, or how many")
    return Quota(quota.cpus, _memory(where, quota.memory), quota.gpus, quota.steps)


def _memory(where: str, memory: str | int | None) -> int | None:
    if memory is None:
        return None
    try:
        return size(memory)
    except MulleError as error:
        raise ConfigError(f"[resources.{where} memory: {error.message}", cause=error.cause, cure=error.cure) from None


def _wrong(where: str, what: str, cure: str) -> ConfigError:
    dot = "" if where.startswith("]") else "."
    return ConfigError(f"[resources{dot}{where}: it cannot be {what}", cause="nothing could ever run", cure=cure)
