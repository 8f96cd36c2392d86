"""A server: the socket, the supervisor of its workers, and the thread that follows the catalog."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from mulle.clock import Clock
from mulle.errors import MulleError, ServingError
from mulle.serving.model import Endpoint
from mulle.serving.plan import Plan, WorkerSettings
from mulle.serving.service import Deployments
from mulle.serving.supervisor import Supervisor

_BACKLOG = 2048
_LOOK_SECONDS = 0.2
_COMPACT_SECONDS = 5.0


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server finds and leaves files: all folders of one workspace.

    `paths` are the project's roots, for models whose code lives there; `behind` is how far the workspace's time is
    behind the machine's.
    """

    spool: Path
    keys: Path
    state: Path
    online: Path | None = None
    paths: tuple[Path, ...] = ()
    behind: timedelta = timedelta(0)


class Server:
    """Serves deployments over HTTP until it is stopped; follows every change of them in the catalog.

    Args:
        deployments: the service; its catalog says what to serve.
        layout: the workspace's folders.
        deployment: the only one to serve; all of them where it is not given.
        host: an address of this machine; loopback only, for there is no authentication yet.
        port: 0 takes a free one.
        workers: how many processes answer.
        compact: called every few seconds to turn the spool into files.
        poll: seconds between looks at the catalog.
        drain: seconds that open requests have at the end.
        max_pending_rows: rows that may wait in one worker; beyond them the answer is 503.
    """

    def __init__(
        self,
        deployments: Deployments,
        layout: Layout,
        *,
        deployment: str | None = None,
        host: str = "127.0.0.1",
        port: int = 8000,
        workers: int = 1,
        compact: Callable[[], object] | None = None,
        poll: float = 0.1,
        drain: float = 10.0,
        max_pending_rows: int = 20_000,
    ) -> None:
        self._deployments = deployments
        self._layout = layout
        self._only = deployment
        self._compact = compact
        self._poll = poll
        self._drain = drain
        self._max_pending_rows = max_pending_rows
        self._clock: Clock = deployments.catalog.clock
        self._listening = listen(host, port)
        self._supervisor = Supervisor(self._listening, self._settings, max(1, workers), self._clock)
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="serving", daemon=True)
        self._generation = -1
        self._compacted = 0.0
        self._running = False

    @property
    def url(self) -> str:
        """Where it answers, as `http://127.0.0.1:8000`."""
        host, port = self._listening.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def pids(self) -> Sequence[int]:
        """The worker processes."""
        return [worker.process.pid for worker in self._supervisor.workers.values()]

    @property
    def restarts(self) -> int:
        """How many workers have died and were replaced."""
        return self._supervisor.restarts

    def start(self) -> Self:
        """Start the workers; returns when all of them answer.

        Raises:
            ServingError: a model cannot be loaded.
            UnknownNameError: the one deployment to serve does not exist.
        """
        try:
            error = self._refresh()
        except MulleError:
            self.stop()
            raise
        if error:
            self.stop()
            raise ServingError("the models cannot be served", cause=error, cure="mulle models list")
        self._running = True
        self._thread.start()
        return self

    def refresh(self) -> str:
        """Look at the catalog now; returns when all workers serve what it says: "" or what went wrong."""
        return self._refresh()

    def wait(self) -> None:
        """Until somebody calls `stop`; Ctrl-C ends it."""
        while not self._stop.wait(_LOOK_SECONDS):  # Polars restarts waits that a signal breaks: one must end by itself
            pass

    def stop(self) -> None:
        """Take no more requests, answer those that are open, end the workers."""
        self._stop.set()
        if self._running:
            self._thread.join()
        with self._turn:
            self._listening.close()
            self._supervisor.stop(self._drain + 5)
        self._forget()
        if self._compact is not None and self._running:
            self._compact()
        self._running = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stop.wait(self._poll):
            with contextlib.suppress(MulleError):  # the former plan serves on; the next look tries again
                self._refresh()
            now = self._clock.monotonic()
            if self._compact is not None and now - self._compacted > _COMPACT_SECONDS:
                self._compacted = now
                with contextlib.suppress(MulleError, OSError):  # the spool keeps what could not be written now
                    self._compact()

    def _refresh(self) -> str:
        with self._turn:
            if self._stop.is_set():
                return ""
            generation = self._deployments.generation()
            if generation == self._generation:
                self._supervisor.tend()
                return ""
            plan = self._deployments.plan(self._only)
            # workers count plans from 1: an empty catalog is a plan too
            numbered = Plan(plan.generation + 1, plan.deployments)
            error = self._supervisor.apply(numbered)
            self._generation = plan.generation
            self._tell(plan, error)
            return error

    def _tell(self, plan: Plan, error: str) -> None:
        """Write where each deployment answers; `Deployments.show` reads it."""
        self._layout.state.mkdir(parents=True, exist_ok=True)
        for one in plan.deployments:
            endpoint = Endpoint(
                url=f"{self.url}/predict/{one.name}",
                pid=os.getpid(),
                workers=len(self._supervisor.workers),
                entry=one.entry,
                error=error,
            )
            path = self._layout.state / f"{one.name}.json"
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_bytes(msgspec.json.encode(endpoint))
            temporary.replace(path)

    def _forget(self) -> None:
        for path in self._layout.state.glob("*.json"):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                if msgspec.json.decode(path.read_bytes(), type=Endpoint).pid == os.getpid():
                    path.unlink()

    def _settings(self, number: int) -> WorkerSettings:
        return WorkerSettings(
            name=f"w{os.getpid()}-{self._listening.getsockname()[1]}-{number}",
            spool=str(self._layout.spool),
            keys=str(self._layout.keys),
            online=str(self._layout.online or ""),
            paths=[str(path) for path in self._layout.paths],
            drain_seconds=self._drain,
            behind=self._layout.behind.total_seconds(),
            max_pending_rows=self._max_pending_rows,
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that workers can inherit.

    Raises:
        ServingError: the port is in use, or the address is not one of loopback.
    """
    if not _is_loopback(host):
        raise ServingError(
            f"mulle does not listen on {host}",
            cause="there is no authentication yet, and other machines could reach it",
            cure="use --host 127.0.0.1 and put a proxy that authenticates before it",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
        made.set_inheritable(True)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise ServingError(
                f"port {port} is in use", cause=f"another process listens on {host}:{port}", cure=f"--port {port + 1}"
            ) from None
        raise ServingError(
            f"mulle cannot listen on {host}:{port}", cause=error.strerror or str(error), cure="--port 8000"
        ) from error
    return made


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
