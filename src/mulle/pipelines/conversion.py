"""Plain values read as the type of an annotation: numbers, text, instants, enumerations, containers of them."""

from __future__ import annotations

import enum
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from mulle.errors import UsageError
from mulle.types import duration, instant

_PLAIN = {
    bool,
    int,
    float,
    str,
    bytes,
    type(None),
    list,
    dict,
    tuple,
    set,
    frozenset,
    date,
    datetime,
    time,
    Decimal,
}
_FROM_TEXT: dict[Any, Any] = {datetime: instant, timedelta: duration, Path: Path}


def converted(value: Any, kind: Any, what: str, *, strict: bool = False) -> Any:
    """The value as the annotated type, when that is a plain type; anything else is passed as it is.

    Args:
        value: what was given.
        kind: the annotation.
        what: whose value it is, for the error.
        strict: text is not read as another type.

    Raises:
        UsageError: the value cannot be of that type.
    """
    if not plain_type(kind) or (isinstance(kind, type) and type(value) is kind):
        return value
    try:
        if isinstance(value, str) and not strict and (read := _FROM_TEXT.get(kind)) is not None:
            return read(value)
        if _named_member(kind, value) and not strict:
            return kind[value]
        return msgspec.convert(
            value, kind, strict=strict or not isinstance(value, str), dec_hook=None if strict else _read
        )
    except (msgspec.ValidationError, UsageError, TypeError) as error:
        raise UsageError(
            f"the {what} cannot be {value!r:.60}",
            cause=f"{getattr(error, 'cause', None) or error}; it is annotated {getattr(kind, '__name__', kind)}",
            cure=f"pass {_choices(kind)}" if _is_enum(kind) else "pass a value of that type",
        ) from error


def plain_type(kind: Any) -> bool:
    """Whether a value of this annotation can be checked and read from text."""
    arguments = typing.get_args(kind)
    if not arguments:
        return kind in _PLAIN or kind in _FROM_TEXT or _is_enum(kind)
    if typing.get_origin(kind) is typing.Literal:
        return True
    return all(plain_type(each) for each in arguments if each is not Ellipsis)


def _read(kind: type, value: Any) -> Any:
    """What msgspec does not read by itself: a path, also where None may stand for it."""
    if isinstance(value, kind):
        return value
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise UsageError(f"not a {kind.__name__}", cause=f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _named_member(kind: Any, value: Any) -> bool:
    return _is_enum(kind) and isinstance(value, str) and value in kind.__members__


def _choices(kind: Any) -> str:
    return f"one of {', '.join(kind.__members__)}"
