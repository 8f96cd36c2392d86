"""Ending a step that runs in this very process: an exception is raised in its thread, and its children are killed.

In the main thread a signal interrupts what waits in the system, such as a sleep; in another thread the exception comes
when Python code runs there again. C code that never comes back cannot be ended; in a worker process it can.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from types import FrameType

from mulle.pipelines import family

_AGAIN_SECONDS = 1.0
_SIGNAL = signal.SIGRTMIN + 6 if hasattr(signal, "SIGRTMIN") else signal.SIGUSR2


class Interrupted(BaseException):
    """Raised inside the step; no `except Exception` takes it for a failure of its own."""


class Interruptible:
    """One call that may be interrupted from another thread.

    Between `begin` and the end of `finish` the thread may see `Interrupted` at any instruction; after it, never.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._lock = threading.RLock()
        self._thread = 0
        self._began = 0.0
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """The call begins, in this thread."""
        self._began = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._thread = threading.get_ident()

    def finish(self) -> None:
        """The call is over."""
        while self._thread or (self._timer is not None and not self._timer.finished.is_set()):
            try:
                self._end()
            except Interrupted:  # even here
                continue

    def _end(self) -> None:
        with self._lock:
            thread, self._thread = self._thread, 0
            if self._timer is not None:
                self._timer.cancel()
            if self.reason and thread and not _is_main(thread):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)

    def after(self, seconds: float, reason: str) -> None:
        """Interrupt it when it takes longer."""
        self._timer = threading.Timer(seconds, self.interrupt, [reason])
        self._timer.daemon = True
        self._timer.start()

    def interrupt(self, reason: str) -> None:
        """Interrupt the call, and again every second until it is over; the first reason counts."""
        with self._lock:
            if not self._thread:
                return
            self.reason = self.reason or reason
            self.end_children()
            if _is_main(self._thread):
                _pending.append(self)
                signal.pthread_kill(self._thread, _SIGNAL)
            else:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Interrupted))
            if self._timer is None or not self._timer.is_alive() or threading.current_thread() is self._timer:
                self.after(_AGAIN_SECONDS, reason)

    def end_children(self) -> None:
        """End the processes that were started since the call began."""
        family.end(os.getpid(), since=self._began)

    def is_on(self) -> bool:
        """Whether the call is under way."""
        return bool(self._thread)


_pending: list[Interruptible] = []


def listen() -> None:
    """Make the main thread hear interrupts; does nothing in other threads, which need no signal."""
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(_SIGNAL) is not _raise:
            signal.signal(_SIGNAL, _raise)
        # Polars, once it is loaded, has the system begin again what Ctrl-C interrupts: nobody would hear it
        signal.siginterrupt(signal.SIGINT, True)


def _raise(_number: int, _frame: FrameType | None) -> None:
    due = [_pending.pop() for _ in range(len(_pending))]
    if any(each.is_on() for each in due):
        raise Interrupted


def _is_main(thread: int) -> bool:
    return thread == threading.main_thread().ident
