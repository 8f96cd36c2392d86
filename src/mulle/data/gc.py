"""Collecting garbage: what nothing in the workspace reaches is condemned, and deleted in a later run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete

from mulle.data.reach import Reach
from mulle.data.tables import profile_cache
from mulle.errors import StoreError, UsageError
from mulle.store.leases import Holder
from mulle.store.sweep import WASTE, Amount, Swept
from mulle.types import Digest, duration

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.store import ObjectStore

GRACE = "24h"
_KINDS = (
    (b"MULLETR", "directory"),
    (b'{"format":1,"kind":"tree"', "directory"),
    (b'{"kind":"files"', "manifest of files"),
    (b'{"kind":"table"', "manifest of a table"),
    (b'{"kind":"patch"', "patch of a table"),
    (b'[["b3:', "list of parts"),
    (b"PAR1", "part of a table"),
    (b"ARROW1", "value between steps"),
)


class GcReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of gc found and did; in a dry run, what it would do. See `mulle.store.sweep.Swept` for the words.

    `why` is what keeps the object that was asked about, from itself up to the reference; empty where nothing does.
    """

    dry_run: bool
    grace_seconds: float
    kept: Amount
    young: Amount
    condemned: Amount
    waiting: Amount
    freed: Amount
    pardoned: Amount
    disk: int
    kinds: dict[str, Amount]
    holders: list[Holder]
    why: list[str] = []


def collect_garbage(
    catalog: Catalog,
    store: ObjectStore,
    *,
    dry_run: bool = False,
    grace: str = GRACE,
    why: str = "",
    waste: float = WASTE,
) -> GcReport:
    """One run; see `DataService.gc`."""
    seconds = duration(grace).total_seconds()
    if seconds < 0:
        raise UsageError(f"the grace period {grace} is negative", cause="it counts back from now", cure="--grace 24h")
    sweep = getattr(store, "sweep", None)
    if sweep is None:
        raise StoreError(
            "this store does not collect garbage",
            cause=f"{type(store).__name__} has no gc",
            cure="run mulle data gc where the objects lie",
        )
    folder: Path | None = getattr(store, "root", None)
    reach = Reach(catalog, store, folder, explain=bool(why))
    dry_run = dry_run or bool(why)

    def mark() -> set[bytes]:
        reached = reach.mark()
        if not dry_run:
            _forget(catalog, reach.stale_profiles)
        return reached

    swept: Swept = sweep(mark, grace=seconds, dry_run=dry_run, waste=waste, kind=kind_of)
    if not dry_run:
        _record(catalog, swept)
    found = reach.why(_whole(reach, why)) if why else []
    told = {name: getattr(swept, name) for name in Swept.__struct_fields__}
    return GcReport(**told, grace_seconds=seconds, why=found)


def _whole(reach: Reach, prefix: str) -> Digest:
    """The reachable digest that begins so; the text itself where none does."""
    wanted = prefix if prefix.startswith("b3:") else f"b3:{prefix}"
    found = sorted(name for raw in reach.reached if (name := f"b3:{raw.hex()}").startswith(wanted))
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} objects begin with {prefix}", cause="which one is not clear", cure="more digits"
        )
    if not found and len(wanted) != len("b3:") + 64:
        raise UsageError(
            f"nothing that is reachable begins with {prefix}", cause="nothing keeps it", cure="mulle data gc --dry-run"
        )
    return Digest(found[0] if found else wanted)


def kind_of(head: bytes) -> str:
    """What an object is, by how it begins."""
    return next((name for start, name in _KINDS if head.startswith(start)), "other content")


def _forget(catalog: Catalog, stale: list[str]) -> None:
    """Drop the rows of caches that are about nothing any more, before the objects go that they name."""
    for start in range(0, len(stale), 500):
        with catalog.write() as tx:
            tx.execute(delete(profile_cache).where(profile_cache.c.subject.in_(stale[start : start + 500])))


def _record(catalog: Catalog, swept: Swept) -> None:
    """The event of a run that did something."""
    did = {name: getattr(swept, name) for name in ("condemned", "freed", "pardoned")}
    if any(amount.objects for amount in did.values()):
        with catalog.write() as tx:
            tx.event("store", {**msgspec.to_builtins(did), "disk": swept.disk}, verb="data.gc")
