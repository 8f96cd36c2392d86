"""The profile of a version: made of the profiles of its parts, each computed once and kept as an object."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from mulle.data import manifest, parts
from mulle.data.tables import profile_cache
from mulle.errors import DataError
from mulle.stats.profile import Profile, decode, encode, merge, profile
from mulle.store.leases import leasing

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.model import Version
    from mulle.store import ObjectStore
    from mulle.types import Digest

_KNOWN = select(profile_cache.c.digest).where(profile_cache.c.subject == bindparam("subject"))
_KEEP = insert(profile_cache).on_conflict_do_nothing()


def find(catalog: Catalog, store: ObjectStore, version: Version) -> Profile | None:
    """The profile of a table's version, or what those of its parts make together; None where one is not kept."""
    held = _known(catalog, [version.digest])
    if held:
        return decode(store.get(held[version.digest]))
    entries = list(manifest.parts(store, manifest.load_table(store, version.digest)))
    known = _known(catalog, [entry.digest for entry in entries])
    if any(entry.digest not in known for entry in entries):
        return None
    return reduce(merge, (decode(store.get(known[entry.digest])) for entry in entries))


@leasing(lambda _, store, *__: store)
def profile_version(catalog: Catalog, store: ObjectStore, version: Version) -> Profile:
    """The profile of a table's version.

    Raises:
        DataError: the version is a tree of files.
    """
    if version.kind != "table":
        raise DataError(
            f"{version.ref} has no profile", cause="it is a tree of files", cure=f"mulle data show {version.ref}"
        )
    held = _known(catalog, [version.digest])
    if held:
        return decode(store.get(held[version.digest]))
    entries = list(manifest.parts(store, manifest.load_table(store, version.digest)))
    known = _known(catalog, [entry.digest for entry in entries])
    made: dict[str, Profile] = {}
    profiles: list[Profile] = []
    for entry in entries:
        if entry.digest in known:
            profiles.append(decode(store.get(known[entry.digest])))
        else:
            made[entry.digest] = made.get(entry.digest) or profile(parts.read(store, entry))
            profiles.append(made[entry.digest])
    whole = reduce(merge, profiles)
    _keep(catalog, store, {**made, version.digest: whole})
    return whole


def _known(catalog: Catalog, subjects: list[str]) -> dict[str, Digest]:
    with catalog.read() as tx:
        found = {subject: tx.execute(_KNOWN, {"subject": subject}).scalar() for subject in subjects}
    return {subject: digest for subject, digest in found.items() if digest is not None}


def _keep(catalog: Catalog, store: ObjectStore, made: dict[str, Profile]) -> None:
    rows = [{"subject": subject, "digest": store.put(encode(each))} for subject, each in made.items()]
    store.flush()
    with catalog.write() as tx:
        tx.execute(_KEEP, rows)
