"""How traffic moves to a candidate: shadow, canary, full, and back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from mulle.delivery.declare import Stage
from mulle.stats.bootstrap import Interval

WATCH_AFTER = timedelta(days=1)
"""How long a new champion is watched before the rollout is over."""

_MOST_FAILED = 0.01
_FEWEST_ROWS = 20
_PATIENCE = 4

Action = Literal["hold", "advance", "done", "roll_back"]


class Progress(msgspec.Struct, frozen=True):
    """Where a rollout stands: its stage's place in the plan (past the last: watched as champion), and since when."""

    stage: int
    since: datetime


class Observation(msgspec.Struct, frozen=True):
    """What was seen of the candidate since its stage began.

    `failed` answers were errors or not numbers. `gain` compares candidate and champion on rows that both answered and
    whose labels have come; None where there are none.
    """

    rows: int = 0
    failed: int = 0
    gain: Interval | None = None


class Move(msgspec.Struct, frozen=True):
    """What to do now and why; `until` is when to look again if nothing happens before."""

    action: Action
    reason: str
    until: datetime | None = None


def decide(stages: Sequence[Stage], at: Progress, now: datetime, seen: Observation) -> Move:
    """Roll back as soon as the candidate fails or is surely worse; otherwise move on when the stage's time is over.

    A stage without a single answer teaches nothing: it is waited for, up to four times its period.
    """
    if seen.rows >= _FEWEST_ROWS and seen.failed > _MOST_FAILED * seen.rows:
        return Move("roll_back", f"{seen.failed} of {seen.rows} answers of the candidate failed")
    if seen.gain is not None and seen.gain.high < 0:
        return Move(
            "roll_back", f"surely worse than the champion on {seen.gain.rows} labelled rows: {seen.gain.gain:+.4f}"
        )
    watching = at.stage >= len(stages)
    period = WATCH_AFTER if watching else stages[at.stage].period
    end = at.since + period
    if now < end:
        return Move("hold", f"watched until {end.isoformat()}", end)
    if watching:
        return Move("done", f"served {seen.rows} answers as champion, {seen.failed} failed")
    if seen.rows == 0 and period > timedelta(0) and now < at.since + _PATIENCE * period:
        return Move("hold", "no answers yet", at.since + _PATIENCE * period)
    return Move("advance", f"{stages[at.stage].kind}: {seen.rows} answers, {seen.failed} failed")
