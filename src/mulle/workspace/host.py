"""The process that a project version lives in: it turns the wheel, and answers the verbs that need the project's code.

    python -m mulle.workspace.host <control fd> <project root> turn|rest

The server starts it and asks it over a socket that it inherits; the server itself never imports the project. When the
server is gone, however it ended, so are this process and those that it started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.access import principal
from mulle.client import wire
from mulle.client.verbtable import verbs_by_name
from mulle.errors import MulleError
from mulle.pipelines.worker import Frames
from mulle.verbs import acting
from mulle.workspace import Workspace
from mulle.workspace.project import module_file
from mulle.workspace.standing import TURN_FAILED
from mulle.workspace.wheel import keep_turning

if TYPE_CHECKING:
    from mulle.client.verbtable import Verb

GRACE_SECONDS = 3.0
"""How long a turn may go on when the server is gone."""

_THREADS = 8


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A call of a verb, its arguments as JSON; without a verb: finish what is under way, and end."""

    number: int
    verb: str = ""
    arguments: bytes = b"{}"
    reason: str = ""
    cause: str = ""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """The answer to the question of that number, as JSON or as a problem.

    Number 0 tells of the project: first that it is imported, or why not; then how the wheel's last turn failed, if it
    did, whenever that changes.
    """

    number: int
    result: bytes = b""
    problem: wire.Problem | None = None
    kind: str = ""


class Line:
    """The socket to the server: what is asked is answered in threads."""

    def __init__(self, control: socket.socket) -> None:
        self.ended = threading.Event()
        self._frames = Frames(control.makefile("rb"), control.makefile("wb"))
        self._sending = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ask")
        self._services: dict[str, Any] = {}
        self._table: dict[str, Verb] = {}
        self._failure = ""
        threading.Thread(target=self._listen, name="server", daemon=True).start()

    def open(self, services: dict[str, Any]) -> None:
        """Say that the project is imported, and answer from now on."""
        self._services, self._table = services, verbs_by_name(services)
        self._send(Told(0))

    def tell(self, error: MulleError | None) -> None:
        """Say what is wrong with the project or its wheel; nothing when that was said before."""
        if str(error or "") != self._failure:
            self._failure = str(error or "")
            self._send(_told(0, error))

    def drain(self) -> None:
        """Return when everything that was asked is answered."""
        self._threads.shutdown(wait=True)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while (data := self._frames.receive()) is not None:
                ask = msgspec.msgpack.decode(data, type=Ask)
                if ask.verb:
                    with contextlib.suppress(RuntimeError):  # it is draining: the server sees the socket end
                        self._threads.submit(self._answer, ask)
                else:
                    self.ended.set()
        self.ended.set()
        time.sleep(GRACE_SECONDS)
        os.killpg(0, signal.SIGKILL)  # the workers of its runs are in the group

    def _answer(self, ask: Ask) -> None:
        try:
            self._send(Told(ask.number, self._called(ask)))
        except MulleError as error:
            self._send(_told(ask.number, error))
        except Exception as error:  # noqa: BLE001 - told to who asked, like any error of a verb
            fault = MulleError(f"{type(error).__name__}: {error}", cause="a fault in the project or in mulle")
            self._send(_told(ask.number, fault))

    def _called(self, ask: Ask) -> bytes:
        verb = self._table[ask.verb]
        given = msgspec.json.decode(ask.arguments, type=verb.arguments)
        with acting(actor=principal(), reason=ask.reason, cause=ask.cause, far=True):
            return msgspec.json.encode(verb.invoke(getattr(self._services[verb.plane], verb.name), given))

    def _send(self, told: Told) -> None:
        with self._sending, contextlib.suppress(OSError):  # the server is gone: listening ends this process
            self._frames.send(msgspec.msgpack.encode(told))


def _told(number: int, error: MulleError | None) -> Told:
    return Told(number, problem=None if error is None else wire.problem(error), kind=type(error).__name__)


def _of_a_turn(failure: MulleError) -> MulleError:
    return MulleError(f"{TURN_FAILED}: {failure.message}", cause=failure.cause, cure=failure.cure)


def main() -> None:
    """Import the project, say so, and live until the server ends it."""
    os.setpgrp()  # Ctrl-C is the server's, and what this process starts ends with it
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    try:
        with Workspace.open(sys.argv[2]) as ws, acting(actor="server"):
            project = ws.project if module_file(ws.settings).exists() else None
            line.open(ws.services())
            if project is not None and sys.argv[3] == "turn":
                keep_turning(ws, line.ended.wait, tell=lambda failure: line.tell(failure and _of_a_turn(failure)))
            line.ended.wait()
            line.drain()
    except MulleError as error:
        line.tell(error)


if __name__ == "__main__":
    main()
