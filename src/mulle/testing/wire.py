"""A TCP relay between a client and a server: it counts the bytes, and cuts connections when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """Listens on a free loopback port and passes everything on to a server, until the `with` block ends."""

    def __init__(self, target: str) -> None:
        """`target` is the server's URL."""
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._budget = -1
        self._for_good = False
        self.sent = 0
        self.received = 0
        self.cuts = 0

    @property
    def url(self) -> str:
        """What the client is told instead of the server's URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_after(self, count: int, *, for_good: bool = False) -> None:
        """Close every connection when so many more bytes have passed; for good, every later one at once, too."""
        with self._lock:
            self._budget = count
            self._for_good = for_good

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()
        self._close_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._counted(len(data), outward):
                    self._close_all()
                    return
                target.sendall(data)
        for each in (source, target):
            _close(each)
            with self._lock:
                self._open.discard(each)

    def _counted(self, size: int, outward: bool) -> bool:
        """Whether these bytes may pass."""
        with self._lock:
            if outward:
                self.sent += size
            else:
                self.received += size
            if self._budget < 0:
                return True
            self._budget -= size
            if self._budget >= 0:
                return True
            self.cuts += 1
            self._budget = 0 if self._for_good else -1
            return False

    def _close_all(self) -> None:
        with self._lock:
            found, self._open = self._open, set()
        for each in found:
            _close(each)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
