"""A fitting process from outside: asked, waited for until a deadline, ended when it is late, begun anew."""

from __future__ import annotations

import contextlib
import os
import select
import time

import msgspec

from mulle.errors import TuningError
from mulle.pipelines.worker import Frames
from mulle.tuning.automl.fitting import Answer, Broken, Load, Loaded, Order
from mulle.tuning.automl.spawning import Spawned, spawn

_LOADING_SECONDS = 300.0
_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class Fitter:
    """One fitting process. Used by one thread; it begins at once, so that libraries load while rows are read."""

    def __init__(self, spawned: Spawned | None = None) -> None:
        self._load: Load | None = None
        self._take(spawned or spawn())

    def load(self, order: Load) -> Loaded:
        """Give it the rows.

        Raises:
            TuningError: they cannot be prepared.
        """
        self._load = order
        answer = self.ask(order, time.monotonic() + _LOADING_SECONDS)
        if not isinstance(answer, Loaded):
            error = answer.error if isinstance(answer, Broken) else "the process that fits took too long, or died"
            raise TuningError("the rows cannot be prepared", cause=error, cure="leave columns out of the dataset")
        return answer

    def ask(self, order: Order, deadline: float) -> Answer | None:
        """What came of an order; None where its deadline passed or the process died: it is begun anew then."""
        try:
            self._frames.send(msgspec.msgpack.encode(order))
            while (left := deadline - time.monotonic()) > 0:
                if select.select([self._in], [], [], left)[0]:
                    data = self._frames.receive()
                    if data is None:
                        break
                    return _decoder.decode(data)
        except OSError:
            pass
        self.close()
        return None

    def again(self, deadline: float) -> bool:
        """Begin anew after an end, with the same rows; False where that does not work until the deadline."""
        if self._process.poll() is None:
            return True
        self._take(spawn())
        if self._load is None:
            return True
        return isinstance(self.ask(self._load, deadline), Loaded)

    def close(self) -> None:
        """End the process, whatever it does; once or twice is the same."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._frames.close()

    def _take(self, spawned: Spawned) -> None:
        self._process, self._in = spawned.process, spawned.incoming
        self._frames = Frames(os.fdopen(spawned.incoming, "rb", buffering=0), os.fdopen(spawned.outgoing, "wb"))
