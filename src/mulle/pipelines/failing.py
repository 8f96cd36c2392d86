"""Failures as the user should read them: their own line first, then what led to it, the whole trace on demand."""

from __future__ import annotations

import errno
import linecache
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from mulle.errors import MulleError
from mulle.pipelines.task import Failure

_OWN = str(Path(__file__).resolve().parents[1])
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FREE_SPACE = "free space on the disk (df -h) and run again: finished steps are not repeated"
_MEMORY = 'hold less at once, or say what the step needs: @mulle.step(memory="8GiB")'
_RECURSION = "end the recursion earlier, or use a loop; sys.setrecursionlimit(N) allows deeper ones"
_EXIT = "return from the step, or raise an error that says why it cannot go on"
_MOST_MEMBERS = 5
_MOST_CAUSES = 5
_LONGEST_TRACE = 200_000


def explain(error: BaseException) -> Failure:
    """The failure that an exception is, with the user's own line first.

    `where` has that line; below it, the exceptions that it was raised from, or those of a group, each with its own.
    """
    lines = [each for each in (user_line(error), *_members(error), *_causes(error)) if each]
    message, trace = told(error), _trace(error)
    if isinstance(error, MulleError):
        lines += [error.cause] if error.cause else []
        final: bool = getattr(error, "final", True)
        return Failure(type(error).__name__, message, "\n".join(lines), trace, final=final, cure=error.cure or "")
    return Failure(type(error).__name__, message, "\n".join(lines), trace, cure=_cure(error))


def user_line(error: BaseException) -> str:
    """`file:line in function: source` of the innermost frame that is the user's; "" where none is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    if not frames:
        return ""
    last = frames[-1]
    source = linecache.getline(last.filename, last.lineno or 0).strip()
    return f"{last.filename}:{last.lineno} in {last.name}: {source}"


def told(error: BaseException) -> str:
    """What an exception says; one that cannot even say it is told as such."""
    if isinstance(error, MulleError):
        return error.message
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - user classes raise anything
        return f"(its message cannot be told: {type(broken).__name__} in {type(error).__name__}.__str__)"


def is_users(filename: str) -> bool:
    """Whether code of this file is the user's: neither installed, nor Python's, nor ours."""
    installed = "site-packages" in filename or "dist-packages" in filename
    own = filename.startswith((_OWN, sysconfig.get_path("stdlib"), "<frozen"))
    return not (installed or own)


def _members(error: BaseException) -> Iterator[str]:
    """The exceptions of a group, innermost, each with the user's line."""
    if not isinstance(error, BaseExceptionGroup):
        return
    leaves = list(_leaves(error))
    for each in leaves[:_MOST_MEMBERS]:
        yield _one("among them", each)
    if len(leaves) > _MOST_MEMBERS:
        yield f"and {len(leaves) - _MOST_MEMBERS} more"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _causes(error: BaseException) -> Iterator[str]:
    """What an exception was raised from, nearest first."""
    seen = {id(error)}
    for _ in range(_MOST_CAUSES):
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None or id(cause) in seen:
            return
        yield _one("because of" if error.__cause__ is not None else "while handling", cause)
        seen.add(id(cause))
        error = cause


def _one(how: str, error: BaseException) -> str:
    line = user_line(error)
    return f"{how} {type(error).__name__}: {told(error)}" + (f"\n  {line}" if line else "")


def _trace(error: BaseException) -> str:
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception as broken:  # noqa: BLE001 - a user's exception may fail to be told
        frames = "".join(traceback.format_tb(error.__traceback__))
        trace = f"{frames}{type(error).__name__} (it cannot be told: {type(broken).__name__})\n"
    if len(trace) > _LONGEST_TRACE:
        half = _LONGEST_TRACE // 2
        return f"{trace[:half]}\n[…]\n{trace[-half:]}"
    return trace


def _cure(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        return _FREE_SPACE
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RecursionError):
        return _RECURSION
    return _EXIT if isinstance(error, SystemExit) else ""
