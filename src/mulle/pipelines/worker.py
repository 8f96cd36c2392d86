"""The process that runs steps: tasks come in by one pipe, outcomes go out by another; it never opens the catalog."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec

from mulle.access import Signer
from mulle.clock import system_clock
from mulle.definitions import Definitions, collecting
from mulle.pipelines import family
from mulle.pipelines.crashes import ASK
from mulle.pipelines.failing import explain
from mulle.pipelines.perform import Bench, announce, perform
from mulle.pipelines.sampling import Sampler
from mulle.pipelines.task import Outcome, Task
from mulle.pipelines.values import Shelf
from mulle.spool import SpoolWriter
from mulle.store import LocalStore

_LENGTH = struct.Struct("<I")
_MOST_DESCRIPTORS = 1024
BEGAN = b""
"""Sent when the project is imported and the step begins: the step's timeout counts from here."""
ALIVE = b"\0"
"""Sent every half second while a task is under way, unless C code that holds the interpreter keeps us from it."""


class Place(msgspec.Struct, frozen=True):
    """Where the project and the workspace are."""

    root: str
    module: str
    workspace: str
    durable: bool = True
    cgroup: str = ""
    """A delegated folder of cgroup v2 in which workers are limited; without it they are watched."""
    behind: float = 0.0
    """Seconds that the workspace's time is behind the machine's."""
    environments: str = ""
    """The folder of the environments of steps; "" for the one in the workspace."""


class Frames:
    """Length-prefixed messages on a pair of binary files."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._sending:
            self._outgoing.write(_LENGTH.pack(len(data)) + data)
            self._outgoing.flush()

    def receive(self) -> bytes | None:
        """The next message; None when the other side is gone."""
        head = self._read(_LENGTH.size)
        return None if head is None else self._read(_LENGTH.unpack(head)[0])

    def close(self) -> None:
        self._incoming.close()
        with contextlib.suppress(OSError):  # what was not sent yet goes nowhere
            self._outgoing.close()

    def _read(self, length: int) -> bytes | None:
        data = bytearray()
        while len(data) < length:
            piece = self._incoming.read(length - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)


class Project:
    """The project, imported when the first task comes."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._definitions: Definitions | None = None

    def definitions(self) -> Definitions:
        if self._definitions is None:
            sys.path.insert(0, self._place.root)
            with collecting() as definitions:
                importlib.import_module(self._place.module)
            self._definitions = definitions
        return self._definitions


def bench_at(place: Place, project: Project, on_look: Callable[[], None] | None = None) -> Bench:
    """What this process has to perform with; `on_look` is called every half second while a step runs."""
    workspace = Path(place.workspace)
    clock = system_clock(timedelta(seconds=place.behind))
    writers: list[SpoolWriter] = []

    def spool() -> SpoolWriter:
        if not writers:
            name = f"worker-{os.getpid()}-{os.urandom(4).hex()}"
            writers.append(SpoolWriter(workspace / "spool" / "metrics", name, clock, durable=place.durable))
        return writers[0]

    store = LocalStore(workspace, place.durable)
    shelf = Shelf(store, Signer(workspace / "keys"), workspace / "tmp")
    return Bench(shelf, clock, workspace / "logs", spool, project.definitions, Sampler(on_look=on_look))


@contextlib.contextmanager
def _into(path: Path) -> Iterator[None]:
    """Within the block, all that this process writes to its standard streams goes into the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        empty = os.fstat(fd).st_size == 0
        for each in (fd, *saved):
            os.close(each)
        if empty:
            path.unlink(missing_ok=True)


def _receive(frames: Frames, tasks: queue.Queue[Task]) -> None:
    """Hand on tasks; when the controller is gone, so is the reason to go on, even in the middle of a step."""
    decode = msgspec.msgpack.Decoder(Task).decode
    while (data := frames.receive()) is not None:
        tasks.put(decode(data))
    family.end(os.getpid(), os.environ.get(family.MARK, ""))
    os._exit(0)


def _guard(lifeline: int) -> None:
    """Leave a process behind that ends this one, and all that it started, when the controller is gone.

    It does so where this one cannot: while C code holds the interpreter, while it is stopped, and after its own death.
    """
    worker, mark = os.getpid(), os.environ.get(family.MARK, "")
    began = family.stat(worker)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(lifeline)
        return
    os.setsid()
    if os.fork():  # so that it is no child of the worker, and does not count as one
        os._exit(0)
    os.closerange(0, lifeline)
    os.closerange(lifeline + 1, _MOST_DESCRIPTORS)
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    now = family.stat(worker)
    same = now is not None and began is not None and now.began == began.began
    family.end(worker if same else None, mark)
    os._exit(0)


def main(place: Place, incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Perform tasks until the incoming pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller decides; Ctrl-C reaches the whole group
    family.adopt_orphans()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what is printed is followed as it comes
    faulthandler.enable()  # where C code crashed goes into the step's log
    faulthandler.register(ASK, all_threads=False)
    frames = Frames(incoming, outgoing)
    project = Project(place)
    bench = bench_at(place, project, lambda: _say(frames, ALIVE))
    tasks: queue.Queue[Task] = queue.Queue()
    threading.Thread(target=_receive, args=(frames, tasks), daemon=True).start()
    while True:
        task = tasks.get()
        with _into(bench.logs / f"{task.step_run}.log"):
            announce(task)
            bench.sampler.begin()
            try:
                project.definitions()
            except BaseException as error:  # noqa: BLE001 - user code raises anything
                bench.sampler.end()
                outcome = Outcome(step_run=task.step_run, failure=explain(error))
            else:
                frames.send(BEGAN)
                outcome = perform(task, bench)
            if outcome.failure is not None:
                sys.stderr.write(outcome.failure.trace)
        _say(frames, msgspec.msgpack.encode(outcome))


def _say(frames: Frames, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the controller is gone: listening ends this process
        frames.send(data)


def start(place: str, incoming: str, outgoing: str, lifeline: str) -> None:
    """As `python -m mulle.pipelines.worker PLACE IN OUT LIFELINE`: the place as JSON, the pipes by their numbers."""
    for descriptor in (incoming, outgoing, lifeline):
        os.set_inheritable(int(descriptor), False)
    _guard(int(lifeline))  # before anything starts a thread
    main(
        msgspec.json.decode(place, type=Place),
        os.fdopen(int(incoming), "rb", buffering=0),
        os.fdopen(int(outgoing), "wb"),
    )


if __name__ == "__main__":
    start(*sys.argv[1:])
