"""A process that takes files in and gives files out, as standard input asks, until that ends."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import IO, Any

import msgspec

from mulle.errors import MulleError, StoreError
from mulle.store.giving import Giver, Wished
from mulle.store.local import LocalStore
from mulle.store.taking import Taken, Wanted, take


class Job(msgspec.Struct, array_like=True):
    """What a worker is told first: the folder of the files, the store, whether it keeps what it takes in, and links."""

    root: bytes
    store: str
    durable: bool
    small: int
    pack_limit: int
    keep: bool = True
    link: bool = False


class Ask(msgspec.Struct, array_like=True):
    """A question: files to take in, or files to write; neither: make everything safe from a power cut."""

    take: list[Wanted] = []
    give: list[Wished] = []


class Told(msgspec.Struct, array_like=True):
    """The answer: the files as they are, or why the worker cannot go on."""

    files: list[Taken]
    error: tuple[str, str | None, str | None] | None = None


_jobs = msgspec.msgpack.Decoder(Job)
_asks = msgspec.msgpack.Decoder(Ask)
_told = msgspec.msgpack.Decoder(Told)


def send(pipe: IO[bytes], content: Any) -> None:
    """Write one message: its length in 4 bytes, and itself as MessagePack."""
    data = msgspec.msgpack.encode(content)
    pipe.write(len(data).to_bytes(4, "little") + data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """Read one message; empty at the end."""
    return pipe.read(int.from_bytes(pipe.read(4), "little"))


def answer(pipe: IO[bytes]) -> list[Taken] | None:
    """The files of the next answer; None where the worker is gone.

    Raises:
        StoreError: the worker could not do what it was asked for.
    """
    message = _receive(pipe)
    if not message:
        return None
    told = _told.decode(message)
    if told.error is not None:
        raise StoreError(told.error[0], cause=told.error[1], cure=told.error[2])
    return told.files


def main() -> None:
    """Work until standard input ends; who asks decides what an interruption means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    job = _jobs.decode(_receive(requests))
    with LocalStore(Path(job.store), job.durable, small=job.small, pack_limit=job.pack_limit) as store:
        giver = Giver(store, job.root, link=job.link)
        while message := _receive(requests):
            try:
                send(answers, Told(_answered(job, store, giver, _asks.decode(message))))
            except MulleError as error:
                send(answers, Told([], (error.message, error.cause, error.cure)))


def _answered(job: Job, store: LocalStore, giver: Giver, asked: Ask) -> list[Taken]:
    if asked.give:
        return giver.give(asked.give)
    if asked.take:
        return take(store if job.keep else None, job.root, asked.take)
    store.flush()
    return []


if __name__ == "__main__":
    main()
