"""Why a claim waits, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.resources.refusing import amount_in_words

if TYPE_CHECKING:
    from mulle.resources.policy import Waiting


def why_in_words(waiting: Waiting) -> str:
    """One line: what it waits for."""
    wanted = " and ".join(amount_in_words(waiting.claim.need, each) for each in waiting.lacking if each != "steps")
    if waiting.why == "quota":
        return f"the quota of {waiting.of} is full: {' and '.join(waiting.lacking)}"
    if waiting.why == "yielding":
        return f"less important steps are ending to give it {wanted}"
    if waiting.why == "turn":
        return "others are before it"
    return f"there is no room for {wanted}"
