"""What travels: problems instead of results, one line an item in a stream, and who acts in the headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from mulle import errors
from mulle.verbs import Acting

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Problem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every failed call answers: what went wrong, why, and what mends it."""

    error: str
    cause: str | None
    cure: str | None


def problem(error: errors.MulleError) -> Problem:
    """An error as it travels."""
    return Problem(error.message, error.cause, error.cure)


_KINDS = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
KIND_HEADER = "mulle-error"


def error_of(problem: Problem, kind: str | None) -> errors.MulleError:
    """The error that a problem was made of; `kind` is the name of its class, where the other side gave one."""
    made = _KINDS.get(kind or "", errors.MulleError)
    return made(problem.error, cause=problem.cause, cure=problem.cure)  # type: ignore[no-any-return]


def line_of(item: Any) -> bytes:
    """One item of a stream."""
    return msgspec.json.encode(item) + b"\n"


def item_of(line: bytes, kind: Any) -> Any:
    """One item from a line of a stream; a stream that broke on the other side ends in a problem, which is raised.

    Raises:
        MulleError: what broke the stream.
    """
    if line.startswith(b'{"error":'):
        try:
            broken = msgspec.json.decode(line, type=Problem)
        except msgspec.ValidationError:
            pass
        else:
            raise error_of(broken, None)
    return msgspec.json.decode(line, type=kind)


def acting_headers(acting: Acting) -> dict[str, str]:
    """Why, and because of which event, as headers; who acts is the server's to say."""
    given = {"mulle-reason": acting.reason, "mulle-cause": acting.cause}
    return {name: quote(value) for name, value in given.items() if value}


def acting_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The arguments for `mulle.verbs.acting` that came in the headers."""
    names = {"mulle-reason": "reason", "mulle-cause": "cause"}
    return {argument: unquote(headers[header]) for header, argument in names.items() if header in headers}
