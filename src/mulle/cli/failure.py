"""From an exception to what the user reads and the exit code that a script sees: 2 for a wrong call, 1 for a failure.

No error ends in a traceback unless `--debug` is given; Ctrl-C exits with 130, a reader that went away ends quietly.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from mulle.errors import MulleError, UsageError

USAGE, FAILURE, INTERRUPTED, PIPE_CLOSED = 2, 1, 130, 141


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said about an error, and the exit code."""

    error: str
    cause: str
    cure: str
    code: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """For people, coloured where the terminal can."""
        lines = [click.style("Error: ", fg="red", bold=True) + self.error]
        if self.cause:
            lines.append(click.style("Cause: ", fg="yellow") + self.cause)
        if self.cure:
            lines.append(click.style("Cure:  ", fg="green") + self.cure)
        return "\n".join(lines)

    def json(self) -> str:
        """For programs: `{"error", "cause", "cure"}` on one line, and what else the error carries."""
        import msgspec  # noqa: PLC0415 - start-up time

        said = {"error": self.error, "cause": self.cause, "cure": self.cure, **self.details}
        return msgspec.json.encode(said, enc_hook=str).decode()


def explain(error: BaseException) -> Failure:
    """The message, cause, cure and exit code for any exception."""
    if isinstance(error, MulleError):
        code = USAGE if isinstance(error, UsageError) else FAILURE
        return Failure(error.message, error.cause or "", error.cure or "", code, error.details)
    if isinstance(error, click.ClickException):
        return _from_click(error)
    if isinstance(error, OSError):
        return _from_os(error)
    return Failure(
        f"{type(error).__name__}: {error}",
        "this is a fault in mulle, not in your project",
        "run the same command with `mulle --debug …` and report what it prints",
        FAILURE,
    )


def _from_click(error: click.ClickException) -> Failure:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "mulle"
    message, _, cause = error.format_message().partition("; ")
    return Failure(message.rstrip("."), cause, f"{path} --help", USAGE)


def _from_os(error: OSError) -> Failure:
    where = f" ({error.filename})" if error.filename else ""
    said = f"{error.strerror or error}{where}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(
            f"the disk is full{where}", said, "free some space and run the command again: nothing was lost", 1
        )
    if error.errno == errno.EADDRINUSE:
        return Failure("the port is in use", said, "choose another with --port, or --port 0 for any free one", 1)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Failure(f"not allowed{where}", said, "check the owner and the mode of that path (`ls -l`)", 1)
    if error.errno == errno.ENOENT:
        return Failure(f"no such file or directory{where}", said, "check the path", 1)
    return Failure(said, type(error).__name__, "run the same command with `mulle --debug …` to see where", FAILURE)


def report(error: BaseException, *, as_json: bool) -> int:
    """Tell the user and return the exit code. JSON goes to standard output, text to standard error."""
    failure = explain(error)
    if as_json:
        click.echo(failure.json())
    else:
        click.echo(failure.text(), err=True)
    return failure.code


def silence_output() -> int:
    """The reader of our output went away (`mulle … | head`): write no more and end quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return PIPE_CLOSED
