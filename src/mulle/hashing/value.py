"""Canonical bytes of plain values: equal values, equal bytes, in any process, on any machine.

Every value is a tag byte and a body; variable bodies carry their length, so no two values share an encoding. The format
is specified in `docs/en/reference/formats.md` and changes only with a new leading version byte.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec

from mulle.errors import UsageError
from mulle.hashing.content import digest_bytes
from mulle.types import Digest

VERSION = b"\x01"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAN = struct.pack(">d", math.nan)


def digest_value(value: Any) -> Digest:
    """The digest of a plain value (see `canonical`)."""
    return digest_bytes(canonical(value))


def canonical(value: Any) -> bytes:
    """The canonical bytes of a plain value.

    None, bool, int, float, str, bytes, datetime (aware), date, timedelta, Decimal, Enum, path, list or tuple (alike),
    dict, set, and records (msgspec Structs and dataclasses, by their class's name and fields). True, 1 and 1.0 differ;
    the order of a dict or set does not matter.

    Raises:
        UsageError: the value, or one inside it, is of another type.
    """
    return VERSION + _encode(value)


def _framed(tag: bytes, body: bytes) -> bytes:
    return tag + len(body).to_bytes(8, "big") + body


def _float(value: float) -> bytes:
    return b"f" + (_NAN if math.isnan(value) else struct.pack(">d", value))


def _text(value: str) -> bytes:
    return _framed(b"s", value.encode("utf-8", "surrogatepass"))


def _datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise UsageError(
            f"the datetime {value.isoformat()} has no time zone",
            cause="it would mean another instant on another machine",
            cure="add tzinfo=datetime.UTC",
        )
    return _framed(b"t", b"%d" % ((value - _EPOCH) // _MICROSECOND))


def _sequence(value: Any) -> bytes:
    return b"l" + len(value).to_bytes(8, "big") + b"".join(map(_encode, value))


def _mapping(value: Mapping[Any, Any]) -> bytes:
    items = sorted((_encode(key), _encode(item)) for key, item in value.items())
    return b"m" + len(items).to_bytes(8, "big") + b"".join(key + item for key, item in items)


def _set(value: Any) -> bytes:
    return b"u" + len(value).to_bytes(8, "big") + b"".join(sorted(map(_encode, value)))


def _record(value: Any, names: tuple[str, ...]) -> bytes:
    return b"r" + _text(type(value).__name__) + _mapping({name: getattr(value, name) for name in names})


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: _framed(b"i", b"%d" % value),
    float: _float,
    str: _text,
    bytes: lambda value: _framed(b"b", value),
    bytearray: lambda value: _framed(b"b", bytes(value)),
    datetime: _datetime,
    date: lambda value: _framed(b"d", value.isoformat().encode()),
    timedelta: lambda value: _framed(b"D", b"%d" % (value // _MICROSECOND)),
    Decimal: lambda value: _framed(b"x", str(value).encode()),
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    set: _set,
    frozenset: _set,
}


def _encode(value: Any) -> bytes:
    kind = type(value)
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value)
    if isinstance(value, Enum):
        return b"e" + _text(kind.__name__) + _text(value.name)
    if isinstance(value, msgspec.Struct):
        return _record(value, kind.__struct_fields__)
    if dataclasses.is_dataclass(value):
        return _record(value, tuple(field.name for field in dataclasses.fields(value)))
    return _inherited(value)


def _inherited(value: Any) -> bytes:
    if isinstance(value, PurePath):
        return _framed(b"p", value.as_posix().encode("utf-8", "surrogatepass"))
    for base, encoder in _ENCODERS.items():
        if isinstance(value, base):
            return encoder(value)
    if isinstance(value, Mapping):
        return _mapping(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return _encode(value.item())
    raise UsageError(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} has no canonical digest",
        cause="only plain values (numbers, text, instants, lists, dicts, records) are the same on every machine",
        cure="pass a plain value, or compute it inside a step",
    )
