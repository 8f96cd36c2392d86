"""Which values of a module count by what they are, and not by the code that made them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import PurePath
from typing import Any

from mulle.errors import UsageError
from mulle.hashing.value import canonical

_PLAIN = (bool, int, float, str, bytes, date, timedelta, PurePath, type(None))
_CONTAINERS = (tuple, list, dict, set, frozenset)
_LARGE = 10_000


def plain(value: Any) -> bytes | None:
    """The canonical bytes of a plain value or a container of such; None for anything else."""
    if not _is_plain(value):
        return None
    try:
        return canonical(_tagged(value))
    except UsageError:
        return None


def _tagged(value: Any) -> Any:
    """The value with the types of its containers and the order of its dicts, which code may depend on."""
    if type(value) in {tuple, list}:
        return [type(value).__name__, [_tagged(item) for item in value]]
    if type(value) is dict:
        return ["dict", [[_tagged(key), _tagged(item)] for key, item in value.items()]]
    if type(value) in {set, frozenset}:
        return [type(value).__name__, sorted(canonical(_tagged(item)) for item in value)]
    return value


def _is_plain(value: Any, depth: int = 0) -> bool:
    if type(value) in _CONTAINERS:
        if len(value) > _LARGE or depth > 6:  # noqa: PLR2004
            return False
        items = [*value, *value.values()] if isinstance(value, dict) else value
        return all(_is_plain(item, depth + 1) for item in items)
    return isinstance(value, _PLAIN) and type(value).__module__ in {"builtins", "datetime", "pathlib"}
