"""Which values of a module count by what they are, and not only by the code that made them."""

from __future__ import annotations

import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec

from mulle.errors import UsageError
from mulle.hashing.content import digest_bytes
from mulle.hashing.value import canonical

_PLAIN = (bool, int, float, str, bytes, date, timedelta, PurePath, type(None), Decimal)
_WRITTEN = (complex, range, slice, time, Fraction, UUID, type(Ellipsis))
"""What its own text says all of."""
_MAPPINGS = (dict, OrderedDict, Counter, defaultdict)
_SEQUENCES = (tuple, list, deque)
_SETS = (set, frozenset)
_LARGE = 10_000
_HUGE = 2_000_000
_DEEPEST = 6
_BYTES = 16 << 20


class _OtherError(Exception):
    """The value is none that counts by what it is."""


def plain(value: Any) -> bytes | None:
    """The canonical bytes of a plain value or a container of such, of an array or table; None for anything else."""
    try:
        return canonical(_tagged(value, 0))
    except (_OtherError, UsageError):
        return None


def _tagged(value: Any, depth: int) -> Any:
    """The value with the types of its containers and the order of its dicts, which code may depend on."""
    kind = type(value)
    if depth > _DEEPEST:
        raise _OtherError
    if kind in _SEQUENCES or kind in _SETS or kind in _MAPPINGS:
        return _container(value, kind.__name__, depth + 1)
    if kind is datetime and value.tzinfo is None:
        return ["naive", value.isoformat()]
    if isinstance(value, _PLAIN) and kind.__module__ in {"builtins", "datetime", "pathlib", "decimal"}:
        return value
    return _standard(value, kind, depth) or _of_a_library(value, kind)


def _standard(value: Any, kind: type, depth: int) -> Any:
    """Values of the standard library's other types; None for another."""
    if kind in _WRITTEN:
        return [kind.__name__, repr(value)]
    if kind is re.Pattern:
        return ["pattern", value.pattern, value.flags]
    if kind is SimpleNamespace:
        return ["namespace", _tagged(vars(value), depth + 1)]
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return [kind.__name__, [_tagged(item, depth + 1) for item in value]]
    return None


def _container(value: Any, name: str, depth: int) -> Any:
    if len(value) > _LARGE:
        return _large(value, name)
    if isinstance(value, dict):
        return [name, [[_tagged(key, depth), _tagged(item, depth)] for key, item in value.items()]]
    if isinstance(value, set | frozenset):
        return [name, sorted(canonical(_tagged(item, depth)) for item in value)]
    return [name, [_tagged(item, depth) for item in value]]


def _large(value: Any, name: str) -> Any:
    """A long list or dict of plain values, at the speed of its encoding."""
    if len(value) > _HUGE or isinstance(value, set | frozenset | deque):
        raise _OtherError
    try:
        return [name, "large", digest_bytes(msgspec.msgpack.encode(value))]
    except (TypeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise _OtherError from error


def _of_a_library(value: Any, kind: type) -> Any:
    """Arrays, numbers and tables by their content, estimators by their parameters; nothing is loaded for it."""
    library = kind.__module__.partition(".")[0]
    if library == "numpy" and sys.modules.get("numpy") is not None and hasattr(value, "dtype"):
        if value.dtype.hasobject or value.nbytes > _BYTES:
            raise _OtherError
        return ["numpy", str(value.dtype), list(value.shape), value.tobytes()]
    if library == "polars" and hasattr(value, "write_csv") and value.estimated_size() <= _BYTES:
        try:
            return ["polars", repr(value.schema), value.write_csv()]
        except Exception as error:  # columns that CSV cannot hold: any of the library's errors
            raise _OtherError from error
    if library == "sklearn" and hasattr(value, "get_params") and not isinstance(value, type):
        return [f"{kind.__module__}.{kind.__qualname__}", _tagged(value.get_params(deep=False), 0)]
    raise _OtherError
