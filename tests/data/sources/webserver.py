"""A small web server that behaves, and misbehaves on demand."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Trouble = Callable[["Handler"], bool]
"""Answers a request in its own way; False where the server should answer as it does otherwise."""


@dataclass
class Site:
    """What the server serves, how it errs, and the requests that came, as (path, headers)."""

    content: bytes = b""
    kind: str = "text/csv"
    tags: bool = True
    dates: bool = False
    troubles: list[Trouble] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    def asked(self, header: str) -> list[str | None]:
        """What each request said in a header."""
        return [headers.get(header) for _, headers in self.seen]


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if site.troubles and site.troubles.pop(0)(self):
            return
        self.serve()

    def serve(self, cut: int | None = None) -> None:
        site, start = self.site, 0
        if site.tags and self.headers.get("if-none-match") == site.etag:
            self.answer(304)
            return
        wanted = self.headers.get("range")
        if wanted and self.headers.get("if-range") == site.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
        else:
            self.send_response(200)
        if site.tags:
            self.send_header("ETag", site.etag)
        if site.dates:
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("Content-Type", site.kind)
        self.send_header("Content-Length", str(len(site.content) - start))
        self.end_headers()
        self.wfile.write(site.content[start:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True

    def answer(self, code: int, **headers: str) -> bool:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def log_message(self, *_: object) -> None:
        """Nothing."""


def says(code: int, **headers: str) -> Trouble:
    """Another status than it should be."""
    return lambda handler: handler.answer(code, **headers)


def cuts(after: int) -> Trouble:
    """The connection ends after so many bytes of the whole."""

    def cut(handler: Handler) -> bool:
        handler.serve(cut=after)
        return True

    return cut


def sleeps(seconds: float) -> Trouble:
    """Nothing comes for a while."""

    def sleep(handler: Handler) -> bool:
        time.sleep(seconds)
        return False

    return sleep


@contextmanager
def serving() -> Iterator[Site]:
    """A server on a free port, until the block ends."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
