"""How a step tells a study the values of its objective on the way, and learns whether it is to end.

One TCP connection to the process that runs the study, wherever the step runs: a hello with the study's token and the
trial's number, then for each value the step (i64) and the value (f64), answered by one byte. Little-endian.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import msgspec

HELLO = struct.Struct("<32sQ")
VALUE = struct.Struct("<qd")
GO_ON, END = b"g", b"e"
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0


class Line(msgspec.Struct, frozen=True):
    """Where a trial's values are told to: an address, a secret, the trial, and the metric that is its objective."""

    host: str
    port: int
    token: str
    trial: int
    metric: str


class Reporter:
    """A trial's side of the line. When the other side is gone, nothing is told, and the trial goes on."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.ending = False
        """The study's pruner said that the trial is to end."""
        self.heeded = False
        """The step was told so."""
        self._socket: socket.socket | None = None
        self._lost = False
        self._lock = threading.Lock()

    def tell(self, step: int, value: float) -> None:
        """Tell a value; `ending` is what was answered. A step that goes on all the same goes on telling."""
        with self._lock:
            if self._lost:
                return
            try:
                line = self._connected()
                line.sendall(VALUE.pack(step, value))
                self.ending |= line.recv(1) == END
            except OSError:
                self._lost = True
                self._close()

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._lost = True
            self._close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((self.line.host, self.line.port), _CONNECT_SECONDS)
            self._socket.settimeout(_ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(HELLO.pack(self.line.token.encode(), self.line.trial))
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
