"""Admission: a step begins when its pool has what it asks for and it is its turn. The state is the catalog's.

The one writer of a catalog decides at a time, so nothing is ever granted twice, whoever asks: threads, processes, runs,
projects or users of one machine. What a process held is free again when the process is gone, however it ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from mulle.errors import ResourceError
from mulle.resources import holdings
from mulle.resources.amounts import Amount
from mulle.resources.claims import Claim, PoolState, Rules
from mulle.resources.holdings import Used
from mulle.resources.machine import Machine, machine
from mulle.resources.policy import impossible
from mulle.resources.process import this_process
from mulle.resources.refusing import refused
from mulle.resources.state import OURS, State

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.config.resources import PoolLimits, Resources
    from mulle.resources.holdings import Live
    from mulle.resources.policy import Granted

_BEAT_SECONDS = 2.0


GAVE_WAY = "gave way"
"""The outcome of a step that was ended for a more important one."""


__all__ = ["GAVE_WAY", "Admission", "Ask", "Grant", "Used"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a step asks for before it begins: for each of its `gang` processes so many cores, bytes and GPUs."""

    step_run: str
    run: str
    step: str
    pipeline: str = ""
    user: str = ""
    cpus: float = 1.0
    memory: int = 0
    gpus: float = 0.0
    gang: int = 1
    yields: bool = True
    """Whether its executor can end it and begin it again."""


class Grant(msgspec.Struct, frozen=True):
    """What a step may use: for each of its processes so many cores and bytes; devices for all of them together."""

    cpus: float
    memory: int
    devices: dict[str, float] = {}
    """The number of a GPU → which part of it."""
    cores: list[int] = []
    """Which cores it is held to; any where there are none."""


class Admission:
    """Admits the steps of one run, or of several that one thread drives."""

    def __init__(
        self, settings: Resources, project: str, *, capacity: float = 0.0, here: Callable[[], Machine] = machine
    ) -> None:
        """Wire it.

        Args:
            settings: pools, queues, weights, quotas.
            project: the name of the project whose steps are admitted.
            capacity: how many cores the executor has: the pool that nobody declared has at least as many.
            here: asked once for what the machine has.
        """
        self.settings = settings
        self.project = project
        self._capacity = capacity
        self._here = here
        self.waiting: dict[str, str] = {}
        self._holding: dict[str, str] = {}
        """Step run → claim."""
        self._came: dict[str, float] = {}
        """When the steps that gave way first asked: they do not wait anew."""
        self._seen: tuple[Tx, State] | None = None

    @cached_property
    def machine(self) -> Machine:
        """What there is."""
        return self._here()

    @cached_property
    def rules(self) -> Rules:
        """What is agreed: the pools with what they have, weights, quotas."""
        settings = self.settings
        return Rules(
            pools={name: self._pool(pool) for name, pool in settings.pools.items()},
            weights=settings.weights,
            projects=settings.projects,
            users=settings.users,
            patience=settings.patience.total_seconds(),
        )

    def check(self, ask: Ask) -> None:
        """Refuse at once what can never be had.

        In the pool that nobody declared, cores and memory are clipped to the machine's: a step that asks for 8 cores
        runs on a laptop with 2, and runs alone. In a declared pool and over a quota it is refused.

        Raises:
            ResourceError: more is asked for than the pool has or a quota allows; or a part of a GPU above one.
        """
        each = ask.gpus
        if each > 1 and each != int(each):
            raise ResourceError(
                f"the step '{ask.step}' asks for {each:g} GPUs",
                cause="of several GPUs each is given whole",
                cure=f"@mulle.step(gpus={int(each) + 1}), or a part of one: gpus=0.5",
            )
        claim = self._claim(ask, "", 0.0)
        found = impossible(claim, self.rules)
        if found is not None:
            raise refused(ask.step, claim, *found, limits=self.settings)

    def request(self, tx: Tx, ask: Ask) -> Grant | None:
        """What the step may use from now on; None while it has to wait: then ask again, and it keeps its place."""
        state = self._state(tx)
        known = self.waiting.get(ask.step_run)
        mine = state.of(known) if known else None
        if mine is None:
            mine = self._enter(tx, state, ask)
        elif state.beats - mine.beat > _BEAT_SECONDS:
            mine.beat = state.beats
            holdings.beat(tx, mine.claim.id, state.beats)
        decision = state.decision()
        for claim, to in decision.victims.items():
            state.yields(tx, claim, to)
        granted = next((each for each in decision.granted if each.claim.id == mine.claim.id), None)
        if granted is None:
            self._wait(tx, state, mine)
            return None
        return self._grant(tx, state, mine, granted)

    def release(self, tx: Tx, step_run: str, used: Used) -> None:
        """The step is over, or gives way: what it held is free. One that held nothing is ignored."""
        which = self._holding.pop(step_run, None)
        if which is None:
            self.withdraw(tx, step_run)
            return
        state = self._state(tx)
        state.account(tx)
        if used.outcome == GAVE_WAY and (live := state.of(which)) is not None:
            self._came[step_run] = live.claim.asked
        state.forget(which)
        OURS.discard(which)
        holdings.end(tx, which, used)

    def withdraw(self, tx: Tx, step_run: str) -> None:
        """The step needs nothing any more. One that does not wait is ignored."""
        which = self.waiting.pop(step_run, None)
        if which is not None:
            OURS.discard(which)
            self._state(tx).forget(which)
            holdings.drop(tx, which)

    @property
    def busy(self) -> bool:
        """Whether anything waits or is held."""
        return bool(self.waiting or self._holding)

    def withdraw_all(self, tx: Tx) -> None:
        """Nothing more will begin."""
        for step_run in list(self.waiting):
            self.withdraw(tx, step_run)

    def close(self, tx: Tx) -> None:
        """All is over, however it ended."""
        self.withdraw_all(tx)
        for step_run in list(self._holding):
            self.release(tx, step_run, Used("ended"))

    def abandon(self) -> None:
        """This process holds nothing of it any more, whether or not the catalog could still be told."""
        for known in (self._holding, self.waiting):
            OURS.difference_update(known.values())
            known.clear()

    def yielding(self, tx: Tx, run: str) -> list[str]:
        """The step runs of a run that are to give way to others."""
        return holdings.yielding(tx, run)

    @cached_property
    def _names_gpus(self) -> bool:
        """Whether the pool's GPUs are this machine's, or were declared by their names; those of a cluster are not."""
        named, here = self.settings.pools[self.settings.pool].gpus, {gpu.index for gpu in self.machine.gpus}
        devices = self.rules.pools[self.settings.pool].devices
        return bool(here) and here.issuperset(devices) if not isinstance(named, list) else bool(named)

    def visible(self, grant: Grant, gang: int = 1) -> list[str]:
        """What CUDA_VISIBLE_DEVICES is in each process of a step; nothing to say where there are none, or not by name.

        A step that asked for none sees none.
        """
        if not self._names_gpus:
            return []
        each = sum(grant.devices.values()) / gang
        if each >= 1:
            names, count = sorted(grant.devices), round(each)
            return [",".join(names[rank * count : (rank + 1) * count]) for rank in range(gang)]
        shared = [device for device, part in sorted(grant.devices.items()) for _ in range(round(part / each))]
        return shared or [""] * gang

    def _enter(self, tx: Tx, state: State, ask: Ask) -> Live:
        came = self._came.pop(ask.step_run, None)
        claim = self._claim(ask, tx.new_id(), state.now if came is None else came)
        state.join(tx, claim)
        live = holdings.Live(
            claim=claim, step_run=ask.step_run, run=ask.run, process=this_process(), beat=state.beats, cores=[]
        )
        row = holdings.new(live, self.settings.queue, tx.now if came is None else datetime.fromtimestamp(came, UTC))
        row |= {"pipeline": ask.pipeline, "step": ask.step}
        row |= {"asked_cpus": ask.cpus * ask.gang, "asked_memory": ask.memory * ask.gang}
        state.add(live, row)
        return live

    def _wait(self, tx: Tx, state: State, mine: Live) -> None:
        row = state.unwritten.pop(mine.claim.id, None)
        if row is not None:
            holdings.enter(tx, row)
            self.waiting[mine.step_run] = mine.claim.id
            OURS.add(mine.claim.id)

    def _grant(self, tx: Tx, state: State, mine: Live, granted: Granted) -> Grant:
        state.account(tx)
        which = mine.claim.id
        devices, rank = granted.devices, granted.rank
        mine.claim = msgspec.structs.replace(mine.claim, granted=state.now, devices=devices, rank=rank)
        mine.cores = self._cores(state, mine.claim)
        values = {"granted": tx.now, "rank": rank, "devices": devices, "cores": mine.cores, "gpu": self._gpu(devices)}
        row = state.unwritten.pop(which, None)
        if row is not None:
            holdings.enter(tx, row | values)
        else:
            holdings.grant(tx, which, **values)
        state.changed()
        self.waiting.pop(mine.step_run, None)
        self._holding[mine.step_run] = which
        OURS.add(which)
        need = mine.claim.need
        gang = mine.claim.gang
        return Grant(need.cpus / gang, int(need.memory / gang), devices, mine.cores)

    def _state(self, tx: Tx) -> State:
        """What is live; read once in a transaction, as nobody else can change it meanwhile."""
        if self._seen is None or self._seen[0] is not tx:
            self._seen = (tx, State(tx, self.rules))
        return self._seen[1]

    def _claim(self, ask: Ask, which: str, now: float) -> Claim:
        settings = self.settings
        queue, pool = settings.queues[settings.queue], settings.pools[settings.pool]
        need = Amount(max(ask.cpus, 0.0), ask.memory, ask.gpus) * ask.gang
        if not pool.declared:
            there = self.rules.pools[settings.pool].amount
            need = Amount(min(need.cpus, there.cpus), min(need.memory, there.memory), need.gpus)
        return Claim(
            id=which,
            pool=settings.pool,
            project=self.project,
            user=ask.user,
            need=need,
            gang=ask.gang,
            priority=queue.priority,
            preempts=queue.preempts,
            yields=ask.yields,
            asked=now,
        )

    def _pool(self, limits: PoolLimits) -> PoolState:
        here = self.machine
        cpus = limits.cpus if limits.cpus is not None else float(here.cpus)
        if not limits.declared:
            cpus = max(cpus, self._capacity)
        memory = here.memory_bytes if limits.memory is None else limits.memory
        names = [gpu.index for gpu in here.gpus]
        if isinstance(limits.gpus, list):
            names = limits.gpus
        elif limits.gpus is not None:
            names = (names + [str(number) for number in range(len(names), limits.gpus)])[: limits.gpus]
        return PoolState(Amount(cpus, memory, float(len(names))), names)

    def _cores(self, state: State, claim: Claim) -> list[int]:
        """Cores that nobody else is held to, where this project pins."""
        if not self.settings.pin or not hasattr(os, "sched_getaffinity"):
            return []
        taken = {core for live in state.lives for core in live.cores}
        free = [core for core in sorted(os.sched_getaffinity(0)) if core not in taken]
        wanted = max(1, round(claim.need.cpus))
        return free[:wanted] if len(free) >= wanted else []

    def _gpu(self, devices: Mapping[str, float]) -> str:
        names = {gpu.index: gpu.name for gpu in self.machine.gpus} if devices else {}
        return next((names[device] for device in devices if device in names), "")
