"""The record that serving workers append to the spool: the answers of one turn, column by column, as msgpack.

This module is for workers: the standard library and msgspec only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from mulle.errors import StoreError

LIVE, SHADOW, CANARY = "live", "shadow", "canary"
"""Roles of an answer: given to the caller; computed beside and not given; given by a revision on trial."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Batch(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answers of one revision, made in one go; an array that begins with the format's version.

    `at` is microseconds since 1970, `latency_us` that of each answer.
    """

    deployment: str
    revision: int
    model: str
    role: str
    at: int
    ids: list[str]
    keys: list[str]
    inputs: dict[str, Sequence[Any]]
    outputs: dict[str, Sequence[Any]]
    scores: list[float]
    latency_us: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)
encode = _encoder.encode


def decode(payload: bytes) -> Batch:
    """The batch of one frame.

    Raises:
        StoreError: it is of a newer version, or no batch.
    """
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise StoreError(
            "the spool holds predictions that this mulle cannot read",
            cause=f"they were written by a newer mulle ({error})",
            cure="pip install --upgrade mulle",
        ) from error


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an aware instant."""
    return (at - _EPOCH) // _MICROSECOND


def instant_of(microseconds_: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=microseconds_)


def key_text(row: Mapping[str, Any], key: Sequence[str]) -> str:
    """The key of a row as text: the one column's value, or several joined by '|'; empty when a column is missing.

    The same text as `mulle.predictions.keys.key_texts` gives for a table.
    """
    values = [row.get(name) for name in key]
    if not values or None in values:
        return ""
    texts = [_text(value) for value in values]
    return texts[0] if len(texts) == 1 else "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
