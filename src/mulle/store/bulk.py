"""Many files at once: read, hashed and kept, or written out, by worker processes, each with a pack of its own.

Threads do not help here: most of the work on a small file is Python's. The workers' answers come in the order of the
questions, and only a few questions are under way at once, so that memory does not grow with the number of files.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from mulle.errors import StoreError
from mulle.store.files import Files
from mulle.store.giving import Giver, Wished
from mulle.store.local import LocalStore
from mulle.store.port import ObjectStore
from mulle.store.taking import Taken, Wanted, take
from mulle.store.worker import Ask, Job, answer, send

T = TypeVar("T")
FILES = 256
"""A question to a worker names at most so many files."""
BYTES = 8 << 20
"""A question to a worker is full when its files are this long together."""
_NAMES = 12_000
_WORTH = 6
"""With fewer questions than this, starting workers costs more than they save."""
_AHEAD = 3
_MOST = 4


class Question(NamedTuple, Generic[T]):
    """Files to take in or to write together, and something that tells the asker what they are."""

    ask: Ask
    about: list[T]


def to_take(files: Iterable[tuple[Wanted, int, T]]) -> Iterator[Question[T]]:
    """Files to read, each with its size and what it is about, as questions of fitting length."""
    for group in _grouped(files):
        yield Question(Ask(take=[file for file, _, _ in group]), [about for _, _, about in group])


def to_give(files: Iterable[tuple[Wished, T]]) -> Iterator[Question[T]]:
    """Files to write, each with what it is about, as questions of fitting length."""
    for group in _grouped((file, file.size, about) for file, about in files):
        yield Question(Ask(give=[file for file, _, _ in group]), [about for _, _, about in group])


W = TypeVar("W", Wanted, Wished)


def _grouped(files: Iterable[tuple[W, int, T]]) -> Iterator[list[tuple[W, int, T]]]:
    group: list[tuple[W, int, T]] = []
    size = names = 0
    for each in files:
        group.append(each)
        size += each[1]
        names += len(each[0].path) + 40
        if len(group) >= FILES or size >= BYTES or names >= _NAMES:
            yield group
            group, size, names = [], 0, 0
    if group:
        yield group


class Crew:
    """Takes files below `root` in, or writes them there, with worker processes where there is enough to do.

    Args:
        store: where the bytes go, or come from.
        root: the folder that the files' paths are relative to.
        keep: False only hashes what is taken in.
        link: what is written are read-only hard links, where that is possible.
        processes: how many workers at most; 0 does all in this process. By default as many as there are cores.
        files: file operations of this process, for tests with `processes=0`.
    """

    def __init__(
        self,
        store: ObjectStore,
        root: Path,
        *,
        keep: bool = True,
        link: bool = False,
        processes: int | None = None,
        files: Files | None = None,
    ) -> None:
        self._store = store
        self._root = os.fsencode(root.absolute())
        self._keep = keep
        self._link = link
        self._files = files
        self._processes = min(_MOST, len(os.sched_getaffinity(0))) if processes is None else processes

    def work(self, asked: Iterable[Question[T]]) -> Iterator[tuple[list[T], list[Taken]]]:
        """Do what is asked for, in order: for each question what its files are about, and the files.

        What was taken in and kept is safe from a power cut at the end.

        Raises:
            StoreError: a file cannot be read or written, or an object is missing or damaged.
        """
        asked = iter(asked)
        first = list(itertools.islice(asked, _WORTH))
        if len(first) < _WORTH or self._processes < 1 or not isinstance(self._store, LocalStore):
            yield from self._alone(itertools.chain(first, asked))
        else:
            yield from self._spread(self._store, itertools.chain(first, asked))
        if self._keep:
            self._store.flush()

    def _alone(self, asked: Iterator[Question[T]]) -> Iterator[tuple[list[T], list[Taken]]]:
        giver = Giver(self._store, self._root, link=self._link, files=self._files)
        for ask, about in asked:
            taken = take(self._store if self._keep else None, self._root, ask.take)
            yield about, [*taken, *giver.give(ask.give)]

    def _spread(self, store: LocalStore, asked: Iterator[Question[T]]) -> Iterator[tuple[list[T], list[Taken]]]:
        job = Job(
            self._root,
            str(store.root.absolute()),
            store.durable,
            store.small,
            store.pack_limit,
            keep=self._keep,
            link=self._link,
        )
        store.let_go()  # the workers go on with packs that this process began
        under_way: deque[tuple[_Worker, list[T]]] = deque()
        with ExitStack() as stack:
            workers = [stack.enter_context(_worker(job)) for _ in range(self._processes)]
            for ask, about in asked:
                if min(worker.asked for worker in workers) >= _AHEAD:
                    yield _answered(under_way)
                idle = min(workers, key=lambda worker: worker.asked)
                idle.ask(ask)
                under_way.append((idle, about))
            while under_way:
                yield _answered(under_way)
            if self._keep:
                for worker in workers:
                    worker.ask(Ask())
                for worker in workers:
                    worker.answer()


def _answered(under_way: deque[tuple[_Worker, list[T]]]) -> tuple[list[T], list[Taken]]:
    worker, about = under_way.popleft()
    return about, worker.answer()


class _Worker:
    """A process that takes files in and gives files out. Answers come in the order of the questions."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._requests, self._answers = process.stdin, process.stdout
        self.asked = 0

    def begin(self, job: Job) -> None:
        self._send(job)

    def ask(self, question: Ask) -> None:
        self._send(question)
        self.asked += 1

    def answer(self) -> list[Taken]:
        files = answer(self._answers)
        if files is None:
            raise _died()
        self.asked -= 1
        return files

    def _send(self, content: Job | Ask) -> None:
        try:
            send(self._requests, content)
        except BrokenPipeError:
            raise _died() from None


@contextmanager
def _worker(job: Job) -> Iterator[_Worker]:
    """A worker, for the time of the block; it ends with its standard input."""
    command = [sys.executable, "-P", "-m", "mulle.store.worker"]  # -P: a file of the user's is no module of ours
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - it is ours
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        worker = _Worker(process)
        worker.begin(job)
        yield worker
    except BaseException:
        process.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.wait()


def _died() -> StoreError:
    return StoreError(
        "a worker that reads and writes files has died",
        cause="it was killed, perhaps for want of memory (dmesg)",
        cure="run the command again: what was done is not done again",
    )
