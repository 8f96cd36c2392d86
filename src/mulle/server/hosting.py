"""The server's end of the project's process: start it, ask it, start it again when the project changes or it dies."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from mulle.client import wire
from mulle.errors import MulleError
from mulle.pipelines.worker import Frames
from mulle.verbs import current
from mulle.workspace import standing
from mulle.workspace.host import GRACE_SECONDS, Ask, Told
from mulle.workspace.project import version_digest, version_stamp

if TYPE_CHECKING:
    from mulle.client.verbtable import Verb

_PATIENCE_SECONDS = 60.0
"""How long a question waits for the project to be imported."""

_BACKOFF_SECONDS = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0)
_LOOK_SECONDS = 1.0
_LOOK_SHARE = 20
"""Looking for changes takes at most one part in so many of the time."""

_IMPORTING = wire.Problem(standing.IMPORTING, None, None)
_CHANGED = wire.Problem(standing.CHANGED, standing.FORMER_GOES_ON, None)
_LOG = logging.getLogger("mulle.server")


class Process:
    """One process with the project's code, and the questions that it was asked."""

    def __init__(self, root: Path, *, turn: bool) -> None:
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "mulle.workspace.host", str(theirs.fileno()), str(root)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "turn" if turn else "rest"],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,  # our own output is for programs
            process_group=0,  # Ctrl-C is the server's, which lets it finish
        )
        theirs.close()
        self.pid = self._process.pid
        self._frames = Frames(self._control.makefile("rb"), self._control.makefile("wb"))
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Told]] = {}
        self._over = False

    def heard(self) -> Iterator[Told]:
        """What it tells of the project, until it ends; answers go to those who asked."""
        with contextlib.suppress(OSError):
            while (data := self._frames.receive()) is not None:
                told = msgspec.msgpack.decode(data, type=Told)
                if told.number:
                    self._asked.pop(told.number).set_result(told)
                else:
                    yield told

    def ask(self, verb: str, arguments: bytes) -> Told:
        """The answer to a question; that of a process which ends meanwhile is a problem."""
        number, answer, now = next(self._numbers), Future[Told](), current()
        with self._sending:
            self._asked[number] = answer
            if not self._over:
                self._send(Ask(number, verb, arguments, now.reason, now.cause))
            else:
                self._forget()
        return answer.result()

    def finish(self) -> None:
        """Have it end when what is under way is done."""
        with self._sending:
            self._send(Ask(0))

    def hang_up(self) -> None:
        """Have it end now, as when this process dies."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def end(self) -> str:
        """Return when it is gone with all that it started: how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS + 1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        with self._sending:
            self._over = True
            self._forget()
        self._control.close()
        with contextlib.suppress(OSError):
            self._frames.close()
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"

    def _send(self, ask: Ask) -> None:
        with contextlib.suppress(OSError):  # it is gone: `heard` ends, and `end` answers
            self._frames.send(msgspec.msgpack.encode(ask))

    def _forget(self) -> None:
        gone = wire.Problem("the project's process ended before it answered", None, "ask again")
        while self._asked:
            number, answer = self._asked.popitem()
            answer.set_result(Told(number, problem=gone))


class Host:
    """The process of the project's current version, kept alive; a context manager, used from any thread.

    While the project does not import or its process is away, `problem` says so, and what is asked fails with it; a
    question waits while the project is being imported. A changed project is imported when what its former version has
    under way is done.
    """

    def __init__(self, root: Path, *, turn: bool = True) -> None:
        self._root = root
        self._turn = turn
        self._state = threading.Condition()
        self._process: Process | None = None
        self._ready = self._changed = self._stopping = False
        self._version = self._problem_kind = ""
        self._problem: wire.Problem | None = _IMPORTING
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._keep, self._watch)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._state:
            self._stopping = True
            self._state.notify_all()
            if self._process is not None:
                self._process.hang_up()
        for thread in self._threads:
            thread.join()

    @property
    def pid(self) -> int | None:
        """The process that has the project imported."""
        with self._state:
            return self._process.pid if self._process is not None and self._ready else None

    @property
    def problem(self) -> MulleError | None:
        """What is wrong with the project, its process or its wheel; None when all is well."""
        with self._state:
            return None if self._problem is None else wire.error_of(self._problem, self._problem_kind)

    def call(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        """The result of a verb in the project's process.

        Raises:
            MulleError: of the class that it had there; or what keeps the project's process away.
        """
        with self._state:
            self._state.wait_for(lambda: self._ready or self._problem not in {None, _IMPORTING}, _PATIENCE_SECONDS)
            process = self._process if self._ready else None
        if process is None:
            raise self.problem or wire.error_of(_IMPORTING, "ProjectError")
        told = process.ask(verb.full, msgspec.json.encode(arguments))
        if told.problem is not None:
            raise wire.error_of(told.problem, told.kind)
        return msgspec.json.decode(told.result, type=verb.result)

    def _keep(self) -> None:
        deaths = 0
        while not self._stopping:
            began = time.monotonic()
            refused, how = self._live()
            if self._changed or self._stopping:
                deaths, wait = 0, 0.0
            elif refused:
                deaths, wait = 0, None
            else:
                deaths = 1 if time.monotonic() - began > _PATIENCE_SECONDS else deaths + 1
                wait = _BACKOFF_SECONDS[min(deaths, len(_BACKOFF_SECONDS)) - 1]
                again = f"it starts again in {wait:.0f} s" if wait else "it starts again"
                self._say(wire.Problem(standing.ENDED, f"it ended {how}; {again}", "see the log"))
            with self._state:
                self._state.wait_for(lambda: self._changed or self._stopping, wait)

    def _live(self) -> tuple[bool, str]:
        """From a start of the process to its end: whether it could not import the project, and how it ended."""
        self._changed = False  # before the version is read: what changes from here on is noticed
        with contextlib.suppress(OSError):  # a file went while it was read: the next look sees a change
            self._version = version_digest(self._root)
        with self._state:
            if self._stopping:
                return False, ""
            self._say(_IMPORTING)
            process = self._process = Process(self._root, turn=self._turn)
        refused = False
        for told in process.heard():
            with self._state:
                refused = told.problem is not None and not self._ready
                self._ready = not refused
                self._say(_CHANGED if self._changed and not refused else told.problem, told.kind)
        with self._state:
            self._ready, self._process = False, None
            if self._changed:
                self._say(_IMPORTING)
        return refused, process.end()

    def _watch(self) -> None:
        """Notice a change of the project's files."""
        stamp: object = None
        nap = _LOOK_SECONDS
        while not self._wait(nap):
            began = time.monotonic()
            with contextlib.suppress(OSError):  # a file went while it was read: the next look sees the rest
                before, stamp = stamp, version_stamp(self._root)
                if stamp != before or self._changed:
                    self._compare(version_digest(self._root))
            nap = max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - began))

    def _wait(self, seconds: float) -> bool:
        with self._state:
            return self._state.wait_for(lambda: self._stopping, seconds)

    def _compare(self, version: str) -> None:
        with self._state:
            self._changed = self._changed or version != self._version
            if self._changed and self._process is not None:
                if self._ready:
                    self._say(_CHANGED)
                self._process.finish()
            self._state.notify_all()

    def _say(self, problem: wire.Problem | None, kind: str = "ProjectError") -> None:
        with self._state:
            self._problem, self._problem_kind = problem, kind
            self._state.notify_all()
        if problem is not None and problem.cure:
            _LOG.warning("%s", wire.error_of(problem, kind))
