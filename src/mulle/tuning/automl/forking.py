"""A fit that can be ended: in a fork of the process that holds the rows, which goes on without it."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

import msgspec

from mulle.tuning.automl.fitting import Answer, Broken, Fitted

_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class OutOfTimeError(Exception):
    """A fit was not over at its deadline."""


class FailedFitError(Exception):
    """A fit raised; the message is what."""


def forked(fit: Callable[[], Fitted], deadline: float) -> Fitted:
    """Do a fit in a fork, until a deadline of this machine's monotonic clock.

    Raises:
        OutOfTimeError: it was not over by then, and was ended.
        FailedFitError: it raised.
    """
    incoming, outgoing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(incoming)
        _be_child(fit, outgoing)
    os.close(outgoing)
    try:
        data = _read(incoming, deadline)
    finally:
        os.close(incoming)
        os.kill(child, signal.SIGKILL)  # it is over, or it is late
        os.waitpid(child, 0)
    if data is None:
        raise OutOfTimeError("out of time")
    answer = _decoder.decode(data) if data else Broken("the process that fitted it died")
    if not isinstance(answer, Fitted):
        raise FailedFitError(answer.error if isinstance(answer, Broken) else "no answer")
    return answer


def _be_child(fit: Callable[[], Fitted], outgoing: int) -> None:
    """Fit, answer, and leave without a trace."""
    try:
        answer: Answer = fit()
    except BaseException as error:  # noqa: BLE001 - whatever a library raises is told to who asked
        answer = Broken(f"{type(error).__name__}: {error}")
    with os.fdopen(outgoing, "wb") as out:
        out.write(msgspec.msgpack.encode(answer))
    os._exit(0)


def _read(incoming: int, deadline: float) -> bytes | None:
    """All that comes until the other side ends; None where the deadline comes first."""
    pieces: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        if select.select([incoming], [], [], left)[0]:
            piece = os.read(incoming, 1 << 20)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    return None
