"""Whole operations that are cut short at each of their file operations in turn, each time in a process of its own.

A *nursery* is a process that has imported everything and forks a child for each order: a case costs milliseconds.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mulle.errors import MulleError
from mulle.store.files import Files
from mulle.testing.faults import FaultyFiles
from mulle.testing.kills import LethalFiles, fork

_CALLS = ("write", "sync", "rename", "truncate", "unlink", "sync_folder")
NEVER = 1 << 60


class Operation(Protocol):
    """Something that changes a workspace and may be repeated."""

    def prepare(self, root: Path) -> None:
        """Make what it needs below an empty folder."""

    def perform(self, root: Path) -> list[str]:
        """Do it, and name what came of it: the same names however often it is done."""

    def check(self, root: Path) -> None:
        """Raise AssertionError where anything is not as it must be, whether or not it was done."""


@contextmanager
def everywhere(files: Files) -> Iterator[None]:
    """Within the block every file operation of this process goes through `files`, whoever makes it."""
    inside = False
    originals = {name: getattr(Files, name) for name in _CALLS}

    def through(name: str) -> Callable[..., Any]:
        def call(self: Files, *args: Any) -> Any:
            nonlocal inside
            if inside:
                return originals[name](self, *args)
            inside = True
            try:
                return getattr(files, name)(*args)
            finally:
                inside = False

        return call

    for name in _CALLS:
        setattr(Files, name, through(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(Files, name, original)


@dataclass(frozen=True)
class Told:
    """What became of an order: what came of it, how many file operations it took, and which error was raised."""

    names: list[str]
    calls: int = 0
    error: str = ""
    died: bool = False


class Nursery:
    """Orders go in, children are born and may die. `operations` is "module:NAME" of a dict of operations."""

    def __init__(self, operations: str) -> None:
        command = [sys.executable, "-m", "mulle.testing.crashes", operations]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def order(self, what: str, operation: str, root: Path, number: int = 0, error: int = errno.ENOSPC) -> Told:
        """Do one of `_ORDERS` in a child.

        Raises:
            AssertionError: the child failed; its traceback is in the message.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, operation, str(root), number, error]) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        if "failed" in told:
            raise AssertionError(told["failed"])
        return Told(**told)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class _Counting(LethalFiles):
    def __init__(self, kill_at: int) -> None:
        super().__init__(kill_at)
        self.calls = 0

    def _count(self) -> bool:
        self.calls += 1
        return super()._count()


def _prepare(operation: Operation, root: Path, number: int, error: int) -> Told:
    del number, error
    operation.prepare(root)
    return Told([])


def _perform(operation: Operation, root: Path, number: int, error: int) -> Told:
    """Killed in the operation of that number; to its end where there is none of that number, and checked."""
    del error
    files = _Counting(number or NEVER)
    with everywhere(files):
        names = operation.perform(root)
    operation.check(root)
    return Told(names, files.calls)


def _fail(operation: Operation, root: Path, number: int, error: int) -> Told:
    """From that file operation on all fail, then the disk is well again and it is repeated in the same process."""
    files, told = FaultyFiles(number, error), ""
    with everywhere(files):
        try:
            operation.perform(root)
        except MulleError as raised:
            told = raised.message if raised.cure else ""
            if not told:
                raise
        files.mend()
        operation.check(root)
        names = operation.perform(root)
        operation.check(root)
    return Told(names, files.calls, told)


def _check(operation: Operation, root: Path, number: int, error: int) -> Told:
    del number, error
    operation.check(root)
    return Told([])


_ORDERS = {"prepare": _prepare, "perform": _perform, "fail": _fail, "check": _check}


def _serve(operations: dict[str, Operation]) -> None:
    for line in sys.stdin:
        what, name, root, number, error = json.loads(line)
        receive, send = os.pipe()
        child = fork()
        if child == 0:
            os.close(receive)
            _be_child(send, lambda: _ORDERS[what](operations[name], Path(root), number, error))  # noqa: B023
        os.close(send)
        with os.fdopen(receive) as answers:
            answer = answers.read()
        os.waitpid(child, 0)
        sys.stdout.write((answer or json.dumps({"names": [], "died": True})) + "\n")
        sys.stdout.flush()


def _be_child(send: int, work: Callable[[], Told]) -> None:
    try:
        told = work()
        answer = {"names": told.names, "calls": told.calls, "error": told.error}
    except BaseException:  # noqa: BLE001 - the parent learns of it
        answer = {"failed": traceback.format_exc()}
    os.write(send, json.dumps(answer).encode())
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    """The process of a nursery."""
    module, _, name = arguments[0].partition(":")
    _serve(getattr(importlib.import_module(module), name))


if __name__ == "__main__":
    main(sys.argv[1:])
