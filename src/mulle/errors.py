"""What can go wrong, said so that the reader can mend it.

Every error that mulle raises on purpose is a `MulleError`: what was wrong (the message), why (`cause`) and the command
or edit that mends it (`cure`). Exit codes and HTTP codes are the faces' business, not the errors'.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any


class MulleError(Exception):
    """The root of all errors that mulle raises on purpose.

    `details` are further facts for programs, by name; they are plain values, and do not travel over HTTP.
    """

    details: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, message: str, *, cause: str | None = None, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        parts = [self.message]
        if self.cause:
            parts.append(f"Cause: {self.cause}")
        if self.cure:
            parts.append(f"Cure: {self.cure}")
        return "\n".join(parts)


class UsageError(MulleError):
    """The call itself was wrong: a bad argument, an unknown name, a malformed file. Nothing was done."""


class UnknownNameError(UsageError):
    """A name that does not exist; carries the nearest one that does."""


class ConfigError(UsageError):
    """`mulle.toml` or the environment says something that cannot be."""


class ProjectError(UsageError):
    """The user's project cannot be imported or defines something that cannot be."""


class StoreError(MulleError):
    """An object is missing, damaged or could not be written."""


class CatalogError(MulleError):
    """The catalog is of another version, damaged or out of reach."""


class LedgerError(CatalogError):
    """The audit trail does not verify."""


class DataError(MulleError):
    """A dataset, version or source cannot be read or written as asked."""


class SchemaSkewError(DataError):
    """Data does not have the declared columns or types: nothing downstream may run on it."""


class FeatureError(MulleError):
    """A feature view or training set cannot be computed as declared."""


class PipelineError(MulleError):
    """A pipeline cannot be traced, or a step failed."""


class ResourceError(PipelineError):
    """A step asks for more than it can ever have: more than its pool has, or than a quota allows."""


class StepFailedError(PipelineError):
    """User code in a step raised; the message shows the user's frame first."""


class PrunedError(PipelineError):
    """A trial was ended before it was over: others were better at this step. Not a failure of the step."""

    def __init__(self, step: int | None = None) -> None:
        where = "" if step is None else f" at step {step}"
        super().__init__(f"the trial was pruned{where}", cause="others of its study were better by then")


class TuningError(MulleError):
    """A study cannot be searched as asked, or what it should learn from cannot be learned."""


class RegistryError(MulleError):
    """A model or model version cannot be registered, found or promoted."""


class FlavorError(MulleError):
    """A model cannot be saved, loaded, converted or called."""


class ServingError(MulleError):
    """A deployment cannot be changed or asked."""


class MonitoringError(MulleError):
    """A monitor is declared wrongly or lacks what it needs."""


class DeliveryError(MulleError):
    """A trigger, gate, rollout or backtest cannot proceed."""


class AccessError(MulleError):
    """The acting principal may not do this, or a signature does not verify."""


def unknown(kind: str, name: str, known: Iterable[str], *, cure: str) -> UnknownNameError:
    """The error for a name that does not exist, with the nearest existing one suggested.

    Args:
        kind: what the name should have named, as in "deployment".
        name: the name that was asked for.
        known: the names that exist.
        cure: the command that lists them.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        cause = f"did you mean '{near[0]}'?"
    elif names:
        cause = f"there are: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"  # noqa: PLR2004
    else:
        cause = f"there is no {kind} yet"
    return UnknownNameError(f"unknown {kind} '{name}'", cause=cause, cure=cure)
