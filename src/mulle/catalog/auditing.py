"""The audit trail's verbs: who did what, when, why, and whether the record still verifies."""

from __future__ import annotations

from collections.abc import Iterator

from mulle.catalog import ledger
from mulle.catalog.database import Catalog
from mulle.catalog.ledger import Event, Verified
from mulle.types import instant
from mulle.verbs import verb


class AuditService:
    """The ledger, read and verified."""

    plane = "audit"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @verb("read")
    def log(self, subject: str = "", since: str = "", limit: int = 100) -> Iterator[Event]:
        """The newest events first; of one subject, or since an instant (ISO 8601), where these are given."""
        start = instant(since) if since else None
        with self._catalog.read() as tx:
            yield from list(ledger.events(tx, subject or None, start, limit, newest_first=True))

    @verb("read")
    def verify(self) -> Verified:
        """Recompute the hash chain of the whole ledger.

        Raises:
            LedgerError: an event was changed, removed or inserted; it is named.
        """
        with self._catalog.read() as tx:
            return ledger.verify(tx)
