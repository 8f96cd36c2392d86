"""The study's side of the line to its trials (`mulle.tracking.reporting`): it hears their values and answers."""

from __future__ import annotations

import hmac
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable

from mulle.tracking.reporting import END, GO_ON, HELLO, VALUE, Line

Heard = Callable[[int, int, float], bool]
"""Takes a trial's number, a step and a value; whether the trial is to end."""


class Listener:
    """Listens for the trials of this process; a caller without the token is hung up on."""

    def __init__(self, heard: Heard, host: str = "127.0.0.1") -> None:
        self._token = secrets.token_hex(16)
        self._server = _server(host, self._token, heard)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="study-listener", daemon=True).start()

    def line(self, trial: int, metric: str) -> Line:
        """What a trial needs to tell its values."""
        host, port = self._server.server_address[:2]
        return Line(str(host), int(port), self._token, trial, metric)

    def close(self) -> None:
        """Hear nothing more."""
        self._server.shutdown()
        self._server.server_close()


def _server(host: str, token: str, heard: Heard) -> socketserver.ThreadingTCPServer:
    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._answer()
            except OSError:  # the trial's process is gone
                return

        def _answer(self) -> None:
            hello = _exactly(self.request, HELLO.size)
            if hello is None:
                return
            said, trial = HELLO.unpack(hello)
            if not hmac.compare_digest(said, token.encode()):
                return
            while (told := _exactly(self.request, VALUE.size)) is not None:
                step, value = VALUE.unpack(told)
                self.request.sendall(END if heard(trial, step, value) else GO_ON)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    return Server((host, 0), Answering)


def _exactly(line: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = line.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data
