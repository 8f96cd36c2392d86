"""The database: transactions, the ledger, lineage."""

from mulle.catalog import ledger, lineage
from mulle.catalog.columns import Instant, Json, metadata
from mulle.catalog.database import Catalog
from mulle.catalog.tx import Tx

__all__ = ["Catalog", "Instant", "Json", "Tx", "ledger", "lineage", "metadata"]
