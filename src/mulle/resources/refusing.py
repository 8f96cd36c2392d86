"""The error for what can never be had: what was asked, what there is, and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulle.errors import ResourceError

if TYPE_CHECKING:
    from mulle.config.resources import Resources
    from mulle.resources.amounts import Amount
    from mulle.resources.claims import Claim


def refused(step: str, claim: Claim, of: str, lacking: list[str], there: Amount, *, limits: Resources) -> ResourceError:
    """The refusal of a step.

    Args:
        step: its name.
        claim: what it asks for, all its processes together.
        of: what has too little: a pool or a quota.
        lacking: of what.
        there: how much of it there is.
        limits: the settings.
    """
    first = lacking[0]
    if first == "steps":
        return ResourceError(
            f"the step '{step}' can never begin",
            cause=f"the {of} allows no step at all",
            cure=_cure(claim, of, first, limits),
        )
    gang = f" for its {claim.gang} processes" if claim.gang > 1 else ""
    return ResourceError(
        f"the step '{step}' asks for {amount_in_words(claim.need, first)}{gang}, which it can never have",
        cause=f"the {of} has {amount_in_words(there, first)}",
        cure=_cure(claim, of, first, limits),
    )


def _cure(claim: Claim, of: str, first: str, limits: Resources) -> str:
    if of.startswith("quota"):
        kind, name = of.removeprefix("quota of ").split(" ", 1)
        more = f"raise [resources.quotas.{kind}s.{name}] {first} in mulle.toml"
        return more if first == "steps" else f"ask for less: @mulle.step({first}=…), or {more}"
    others = [name for name in limits.pools if name != claim.pool]
    another = f", or choose another pool: [resources] pool = {others[0]!r}" if others else ""
    where = f"[resources.pools.{claim.pool}] {first}"
    if first == "gpus" and not limits.pools[claim.pool].declared:
        return f"run it where there is a GPU (mulle resources shows what there is), or ask for none: gpus=0{another}"
    return f"ask for less: @mulle.step({first}=…), or give the pool more: {where} in mulle.toml{another}"


def amount_in_words(amount: Amount, of: str) -> str:
    """So much of one thing: "4 cpus", "2.5 GiB of memory", "0.5 gpus"."""
    if of == "memory":
        return f"{amount.memory / 2**30:.3g} GiB of memory"
    value = getattr(amount, of)
    return f"{value:g} {of.removesuffix('s') if value == 1 else of}"
