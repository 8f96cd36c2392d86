"""How long a step waits before it is tried again: twice as long each time, and not all at the same instant."""

from __future__ import annotations

import random

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 60.0


def pause(first: float, attempt: int, seed: str) -> float:
    """Seconds from the failure of an attempt to the next: exponential backoff with "equal jitter".

    Half of the time is fixed and half is drawn, so that steps which failed together do not come back together; the same
    seed draws the same.

    Args:
        first: the longest pause after the first attempt.
        attempt: which attempt failed, from 1.
        seed: what tells this step run from others.
    """
    longest = min(LONGEST_SECONDS, first * 2.0 ** (min(attempt, 32) - 1))
    return longest * (0.5 + 0.5 * random.Random(f"{seed}#{attempt}").random())  # noqa: S311 - no secret
