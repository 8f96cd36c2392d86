"""Sending objects: what the other side lacks, small ones together in packs, in parallel, in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

from mulle.hashing import from_raw
from mulle.store import packing
from mulle.store.recipes import decode

if TYPE_CHECKING:
    from mulle.store import ObjectStore
    from mulle.store.remote import RemoteStore
    from mulle.types import Digest

SMALL = 1 << 20
"""Objects up to this length travel in packs."""
_ASKED = 20_000
_PARALLEL = 4
Tell = Callable[[int, int], None]


class Sender:
    """Sends from one store to another. What arrived before a cut or a kill is found again, and not sent again.

    The same objects in the same order make the same packs, so a pack that arrived without its index is not sent twice.
    """

    def __init__(
        self,
        local: ObjectStore,
        remote: RemoteStore,
        tell: Tell = lambda objects, size: None,  # noqa: ARG005
        *,
        pack: int = packing.LIMIT,
    ) -> None:
        """`tell` hears of what was sent: how many objects more, and their length. `pack`: so much travels together."""
        self._pack = pack
        self.objects = 0
        self.bytes = 0
        self._local = local
        self._remote = remote
        self._tell = tell

    def send(self, digests: Iterable[Digest]) -> None:
        """Send what the remote lacks, and return when it has all of it.

        Raises:
            StoreError: an object is missing or damaged here, or the remote failed; what is under way is finished first.
        """
        with ThreadPoolExecutor(_PARALLEL) as pool:
            tasks = Tasks(pool)
            rest: list[tuple[Digest, bytes]] = []
            asked = iter(digests)
            while batch := list(itertools.islice(asked, _ASKED)):
                rest = self._send_batch(tasks, rest, self._remote.missing(batch))
            if rest:
                tasks.submit(partial(self._send_pack, rest))
            tasks.finish()
        self._remote.flush()

    def _send_batch(
        self, tasks: Tasks, waiting: list[tuple[Digest, bytes]], missing: Iterable[Digest]
    ) -> list[tuple[Digest, bytes]]:
        """Send full packs and large objects; returns the small objects that do not fill a pack yet."""
        weight = sum(len(data) for _, data in waiting)
        for digest in missing:
            if self._local.size(digest) > SMALL:
                tasks.submit(partial(self._send_file, digest))
                continue
            data = self._local.get(digest)
            waiting.append((digest, data))
            weight += len(data)
            if weight >= self._pack:
                tasks.submit(partial(self._send_pack, waiting))
                waiting, weight = [], 0
        return waiting

    def _send_pack(self, items: list[tuple[Digest, bytes]]) -> None:
        self._remote.send(items)
        self._sent(len(items), sum(len(data) for _, data in items))

    def _send_file(self, digest: Digest) -> None:
        if self._send_recipe(digest):
            return
        path = self._local.path(digest)
        self._remote.send_file(digest, path)
        self._sent(1, path.stat().st_size)

    def _send_recipe(self, digest: Digest) -> bool:
        """Send what an object is made of, and how, where it is so here and less than the object is missing there."""
        recipe: Callable[[Digest], bytes | None] | None = getattr(self._local, "recipe", None)
        told = None if recipe is None else recipe(digest)
        if told is None:
            return False
        bases = sorted({from_raw(each.raw) for each in decode(told, digest).ranges})
        absent = {base: self._local.size(base) for base in self._remote.missing(bases)}
        if sum(absent.values()) >= self._local.size(digest):
            return False
        for base, size in absent.items():
            if size > SMALL:
                self._remote.send_file(base, self._local.path(base))
            else:
                self._remote.send([(base, self._local.get(base))])
        self._remote.send_recipe(digest, told)
        self._sent(1 + len(absent), sum(absent.values()) + len(told))
        return True

    def _sent(self, objects: int, size: int) -> None:
        self.objects += objects
        self.bytes += size
        self._tell(objects, size)


class Tasks:
    """Calls under way in a pool, no more than it has threads; the first failure is raised by the next call."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._running: set[Future[None]] = set()

    def submit(self, task: Callable[[], None]) -> None:
        """Begin a call, when there is room."""
        while len(self._running) >= _PARALLEL:
            self._collect(FIRST_COMPLETED)
        self._running.add(self._pool.submit(task))

    def finish(self) -> None:
        """Wait for all calls."""
        while self._running:
            self._collect(FIRST_COMPLETED)

    def _collect(self, when: str) -> None:
        done, self._running = wait(self._running, return_when=when)
        for each in done:
            each.result()
