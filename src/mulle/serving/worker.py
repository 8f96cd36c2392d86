"""A worker process: answers on a socket that it inherited, serves what the supervisor plans, drains at the end.

    python -m mulle.serving.worker <listening fd> <control fd>

Its settings are the first message on the control socket. The process loads neither a table library nor the catalog.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from mulle.access import Signer
from mulle.clock import Clock, system_clock
from mulle.serving import metrics
from mulle.serving.app import App
from mulle.serving.ids import TurnIds
from mulle.serving.plan import Message, Plan, Unpacker, WorkerSettings, pack
from mulle.serving.plane import DataPlane, Online
from mulle.spool import SpoolWriter

_COUNTERS_SECONDS = 1.0


class Worker:
    """One process of a server."""

    def __init__(
        self,
        listening: socket.socket,
        control: socket.socket,
        settings: WorkerSettings,
        unpacker: Unpacker,
        heard: list[Message],
    ) -> None:
        clock = system_clock(timedelta(seconds=settings.behind))
        self._control = control
        self._unpacker = unpacker
        self._heard = heard
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = listening
        self._spool = SpoolWriter(Path(settings.spool), settings.name, clock)
        self._plane = DataPlane(
            self._spool, clock, TurnIds(clock), Signer(Path(settings.keys)), _online(Path(settings.online), clock)
        )
        self._others: dict[str, float] = {}
        self._app = App(self._plane, settings, self._metrics)
        self._server = uvicorn.Server(_uvicorn(self._app, settings))
        self._stopping = asyncio.Event()
        self._applying = asyncio.Lock()

    async def run(self) -> None:
        """Serve until told to stop, then finish what is open."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        listen = loop.create_task(self._listen())
        serve = None
        while not self._stopping.is_set():
            if serve is None and self._plane.generation > 0:  # warm before the first connection is taken
                serve = loop.create_task(self._server.serve([self._listening]))
            self._send(Message("counters", counters=metrics.counters(self._plane)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _COUNTERS_SECONDS if serve else 0.02)
        self._app.draining = True
        self._server.should_exit = True
        if serve is not None:
            await serve
        listen.cancel()
        self._spool.close()

    async def _listen(self) -> None:
        """Follow the supervisor; when it is gone, drain and end."""
        self._hear(self._heard)
        while data := await asyncio.get_running_loop().sock_recv(self._control, 1 << 16):
            self._hear(self._unpacker.feed(data))
        self._stopping.set()

    def _hear(self, messages: list[Message]) -> None:
        for message in messages:
            if message.kind == "apply" and message.plan is not None:
                task = asyncio.get_running_loop().create_task(self._apply(message.plan))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif message.kind == "others":
                self._others = message.counters
            elif message.kind == "stop":
                self._stopping.set()

    async def _apply(self, plan: Plan) -> None:
        """Load what a plan needs while answering goes on, then swap; tell the supervisor how it went."""
        async with self._applying:
            try:
                prepared = await asyncio.get_running_loop().run_in_executor(None, self._plane.prepare, plan)
            except Exception as error:  # noqa: BLE001 - whatever a model does when it is loaded, the former ones serve on
                told = f"{type(error).__name__}: {error}"
                self._send(Message("refused", generation=plan.generation, error=told))
                return
            self._plane.adopt(plan, prepared)
            gc.freeze()  # models live long: collections need not walk them
            self._send(Message("applied", generation=plan.generation))

    def _send(self, message: Message) -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone: the next read ends this worker
            self._control.setblocking(True)
            self._control.sendall(pack(message))
            self._control.setblocking(False)

    def _metrics(self) -> str:
        return metrics.text(metrics.added((metrics.counters(self._plane), self._others)))


def _uvicorn(app: Any, settings: WorkerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(settings.drain_seconds),
    )


def _online(path: Path, clock: Clock) -> Online | None:
    """The online store, when there is one."""
    if not path.name or not path.exists():
        return None
    from mulle.serving.lookup import open_online  # noqa: PLC0415 - start-up time: only where features are looked up

    return open_online(path, clock)


def _first_messages(control: socket.socket, unpacker: Unpacker) -> list[Message]:
    """The settings, and what came with them."""
    while data := control.recv(1 << 16):
        if messages := unpacker.feed(data):
            return messages
    raise SystemExit("the supervisor is gone")


def main(arguments: list[str]) -> None:
    """Run one worker on inherited file descriptors."""
    listening = socket.socket(fileno=int(arguments[0]))
    control = socket.socket(fileno=int(arguments[1]))
    unpacker = Unpacker()
    first, *more = _first_messages(control, unpacker)
    settings = msgspec.convert(first.counters, WorkerSettings)
    sys.path[:0] = settings.paths
    control.setblocking(False)

    async def serve() -> None:
        await Worker(listening, control, settings, unpacker, more).run()

    gc.set_threshold(50_000, 20, 50)
    import uvloop  # noqa: PLC0415 - start-up time: only workers need it

    uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])
