"""What goes on beside a run that is driven: it is said that its process is at work, and heard whether it shall end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mulle.errors import CatalogError
from mulle.resources.process import HUNG_SECONDS
from mulle.tracking import runs

if TYPE_CHECKING:
    from mulle.catalog import Catalog, Tx

_LOOK_SECONDS = 0.5
_BEAT_SECONDS = HUNG_SECONDS / 6
_JOIN_SECONDS = 30.0


class Keeper:
    """A thread beside the one that drives a run. It renews the run's lease, and hears of a wish to cancel it.

    A run whose lease was not renewed for `HUNG_SECONDS` may have been given up by another process: `check` finds that
    out before anything more is recorded of it.
    """

    def __init__(self, catalog: Catalog, run: str, on_cancel: Callable[[], None], *, leased: bool = True) -> None:
        """`on_cancel` is called in the keeper's thread, again at each look until the run is over.

        A run that several processes drive, a step each, has no lease: it goes on when one of them fails.
        """
        self._catalog = catalog
        self._run = run
        self._on_cancel = on_cancel
        self._stop = threading.Event()
        self._beat_at = time.monotonic() if leased else float("inf")
        self._lost = False
        self.cancelled = False
        self._thread = threading.Thread(target=self._keep, name=f"keeper-{run[:8]}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when nothing more is done for the run."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def check(self, tx: Tx) -> bool:
        """Whether the run is still this process's, which is asked only where it might not be."""
        if not self._lost and time.monotonic() - self._beat_at > HUNG_SECONDS / 2:
            self._lost = not runs.beat(tx, self._run)
            self._beat_at = time.monotonic()
        return not self._lost

    def _keep(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self._look()
            except CatalogError:  # the driver's own transactions say so where it lasts
                continue

    def _look(self) -> None:
        if time.monotonic() - self._beat_at > _BEAT_SECONDS:
            with self._catalog.write() as tx:
                self._lost = not runs.beat(tx, self._run)
            self._beat_at = time.monotonic()
        if not self.cancelled:
            with self._catalog.read() as tx:
                self.cancelled = runs.cancel_requested(tx, self._run)
        if (self.cancelled or self._lost) and not self._stop.is_set():
            self._on_cancel()
