"""The few value types that everything shares: digests, instants, durations, amounts of bytes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NewType

from mulle.errors import UsageError

Digest = NewType("Digest", str)
"""`b3:` followed by 64 hexadecimal digits: the BLAKE3-256 of some bytes."""

_DURATION = re.compile(r"^\s*(-?)(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")
_UNITS = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def duration(value: str | timedelta) -> timedelta:
    """A length of time from text such as "90d", "6h", "-2h" or "5ms" (units ms, s, m, h, d, w).

    Raises:
        UsageError: the text is not a number and one of the units.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value)
    if match is None:
        raise UsageError(
            f"'{value}' is not a duration",
            cause="a number and a unit are needed",
            cure='write for example "90d" or "6h"',
        )
    sign, number, unit = match.groups()
    seconds = float(number) * _SECONDS[unit]
    return timedelta(seconds=-seconds if sign else seconds)


def instant(value: str | datetime) -> datetime:
    """An aware instant in UTC from ISO 8601 text or a datetime; a naive one is taken as UTC.

    Raises:
        UsageError: the text is not an ISO 8601 date or date-time.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(
                f"'{value}' is not an instant",
                cause="ISO 8601 is needed",
                cure='write for example "2013-02-01T06:00:00Z"',
            ) from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def size(value: str | int) -> int:
    """A number of bytes from text such as "2GiB" or "500 MB"; a number is one already.

    Raises:
        UsageError: the text is not a number and one of the units, or is negative.
    """
    if isinstance(value, int) and value >= 0:
        return value
    match = _SIZE.fullmatch(str(value))
    if match is None or match[2] not in _UNITS:
        raise UsageError(
            f"'{value}' is not an amount of memory",
            cause="a number and a unit are needed",
            cure='write for example "2GiB"',
        )
    return int(float(match[1]) * _UNITS[match[2]])
