"""What is live in a catalog, seen once in a transaction: nobody else can change it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.resources import holdings
from mulle.resources.policy import Decision, alone, decide
from mulle.resources.process import lives, this_process
from mulle.resources.shares import accrued, entering

if TYPE_CHECKING:
    from mulle.catalog import Tx
    from mulle.resources.claims import Claim, Rules
    from mulle.resources.holdings import Live

_STALE_SECONDS = 10.0
"""Whoever did not look for so long (a process that was stopped) keeps its place, but nobody waits for it."""
OURS: set[str] = set()
"""The claims of this process: one under its name that is not among them is one that it left behind."""


class State:
    """What is live, within one transaction."""

    def __init__(self, tx: Tx, rules: Rules, *, changing: bool = True) -> None:
        """Read it; claims whose process is gone are ended, or only left out where nothing may be changed."""
        self.rules = rules
        self.now = holdings.seconds(tx.now)
        self.beats = time.monotonic()
        self.lives = holdings.live(tx)
        self.unwritten: dict[str, dict[str, Any]] = {}
        self._decision: Decision | None = None
        self._service: dict[tuple[str, str], float] | None = None
        self._bury(tx, changing=changing)
        if self._contended():
            self._count(tx)

    @property
    def service(self) -> Mapping[tuple[str, str], float]:
        """(pool, project) → what it has had while others waited, where anybody waits now."""
        return self._service or {}

    def of(self, which: str) -> Live | None:
        return next((live for live in self.lives if live.claim.id == which), None)

    def add(self, live: Live, row: dict[str, Any]) -> None:
        self.lives.append(live)
        self.unwritten[live.claim.id] = row
        self.changed()

    def forget(self, which: str) -> None:
        self.lives = [live for live in self.lives if live.claim.id != which]
        self.unwritten.pop(which, None)
        self.changed()

    def changed(self) -> None:
        self._decision = None

    def decision(self) -> Decision:
        if self._decision is None:
            claims = [live.claim for live in self.lives if live.claim.granted is not None or self._fresh(live)]
            waiting = [claim for claim in claims if claim.granted is None]
            only = alone(waiting[0], [*claims], self.rules, self.now) if len(waiting) == 1 else None
            if only is not None:
                self._decision = Decision([only], {}, [])
            else:
                self._decision = decide(claims, self.rules, self._service or {}, self.now)
        return self._decision

    def join(self, tx: Tx, claim: Claim) -> None:
        """A claim comes; a project that was away begins where the others are."""
        if all(live.claim.project == claim.project for live in self.lives):
            return
        if self._service is None:
            self._count(tx)
        assert self._service is not None
        begins = entering(self._service, [live.claim for live in self.lives], claim.pool, claim.project)
        if self._service.get((claim.pool, claim.project), 0.0) < begins:
            self._service[claim.pool, claim.project] = begins

    def account(self, tx: Tx) -> None:
        """Before what is held changes: write what each project has had, where somebody waited for it."""
        if self._service is not None:
            holdings.keep_service(tx, self._service)

    def yields(self, tx: Tx, which: str, to: str) -> None:
        live = self.of(which)
        if live is not None and not live.yields_to:
            live.yields_to = to
            live.claim = msgspec.structs.replace(live.claim, leaving=True)
            holdings.ask_to_yield(tx, which, to)

    def _contended(self) -> bool:
        return any(live.claim.granted is None for live in self.lives)

    def _count(self, tx: Tx) -> None:
        service, since = holdings.service(tx)
        self._service = accrued(service, [live.claim for live in self.lives], self.rules, since, self.now)

    def _fresh(self, live: Live) -> bool:
        return -1.0 <= self.beats - live.beat < _STALE_SECONDS

    def _bury(self, tx: Tx, *, changing: bool) -> None:
        """End the claims of processes that are gone, and of earlier work of this one."""
        mine = this_process()
        known: dict[Any, bool] = {}
        for live in list(self.lives):
            process = live.process
            if process == mine:
                there = live.claim.id in OURS
            else:
                there = known[process] if process in known else known.setdefault(process, lives(process))
            if there:
                continue
            self.forget(live.claim.id)
            if not changing:
                continue
            if live.claim.granted is None:
                holdings.drop(tx, live.claim.id)
            else:
                holdings.end(tx, live.claim.id, holdings.Used("lost", self.now - live.claim.granted))
