"""What each project has had of a pool while others waited: the past that fair shares are made of.

Only time in which somebody waits counts: a project that used an idle machine owes nothing for it. One that comes, or
comes back, begins where the others are: being away saves nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mulle.resources.amounts import total
from mulle.resources.claims import Claim, Rules

MOST_BEHIND = 600.0
"""Seconds of the whole pool that a project can be behind another: what it may catch up on at once."""


def accrued(
    service: Mapping[tuple[str, str], float], claims: Sequence[Claim], rules: Rules, since: float, now: float
) -> dict[tuple[str, str], float]:
    """The service after the time from `since` to `now`, during which the claims did not change.

    A pool in which nobody waits stays as it is.
    """
    found = dict(service)
    for pool, state in rules.pools.items():
        here = [claim for claim in claims if claim.pool == pool]
        waiting = [claim.asked for claim in here if claim.granted is None]
        if not waiting:
            continue
        elapsed = max(0.0, now - max(since, min(waiting)))
        for project in {claim.project for claim in here}:
            held = total(claim.need for claim in here if claim.project == project and claim.granted is not None)
            had = held.share(state.amount) * elapsed / rules.weight(project)
            found[pool, project] = found.get((pool, project), 0.0) + had
        most = max(found[pool, claim.project] for claim in here)
        for claim in here:
            found[pool, claim.project] = max(found[pool, claim.project], most - MOST_BEHIND)
    return found


def entering(service: Mapping[tuple[str, str], float], claims: Sequence[Claim], pool: str, project: str) -> float:
    """The service that a project begins with when it comes: no less than the least of those that are there."""
    mine = service.get((pool, project), 0.0)
    others = [service.get((pool, claim.project), 0.0) for claim in claims if claim.pool == pool]
    if any(claim.pool == pool and claim.project == project for claim in claims) or not others:
        return mine
    return max(mine, min(others))
