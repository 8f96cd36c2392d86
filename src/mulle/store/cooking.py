"""Objects that lie in others: making recipes, and reading by them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from mulle.errors import StoreError
from mulle.hashing import Hasher, digest_bytes, from_raw, to_raw
from mulle.store.files import Files, write_all
from mulle.store.loose import LooseObjects, damaged
from mulle.store.recipes import Compared, Range, Recipe, Recipes, assembled, compare, decode, encode, written
from mulle.types import Digest


class Cooking:
    """Makes and follows the recipes of a store.

    Args:
        recipes: where they lie.
        loose: the store's large objects, their usual bases.
        files: file operations.
        put: keeps small bytes as an object.
        get: reads a packed object.
        safe: makes what was put safe from a power cut.
        claim: is told of every object that a new recipe counts on.
        small: longer objects are files of their own.
        least: shorter objects are stored whole.
        durable: whether new bytes are synced.
    """

    def __init__(
        self,
        recipes: Recipes,
        loose: LooseObjects,
        files: Files,
        *,
        put: Callable[[bytes], Digest],
        get: Callable[[Digest], bytes],
        safe: Callable[[], None],
        claim: Callable[[bytes], None],
        small: int,
        least: int,
        durable: bool,
    ) -> None:
        self._recipes, self._loose, self._files = recipes, loose, files
        self._put, self._get, self._safe, self._claim = put, get, safe, claim
        self._small, self._least, self._durable = small, least, durable
        self.digests = recipes.digests
        self.path = recipes.path

    def find(self, digest: Digest) -> Recipe | None:
        """How a large object is made: one that lies here whole is one range of itself; None where it is not large."""
        try:
            size = self._loose.path(digest).stat().st_size
        except FileNotFoundError:
            return self._recipes.find(digest)
        return Recipe(size, [Range(to_raw(digest), 0, size)])

    def bases(self, digest: Digest) -> set[Digest]:
        """The objects that an object's bytes lie in; none where it lies here itself."""
        recipe = None if self._loose.has(digest) else self._recipes.find(digest)
        return set() if recipe is None else {from_raw(raw) for raw in recipe.bases}

    def remove(self, digest: Digest) -> None:
        """Delete a large object, whole or as a recipe; its bases stay."""
        self._loose.remove(digest)
        self._recipes.remove(digest)

    def with_bases(self, reached: Collection[bytes]) -> Collection[bytes]:
        """What is reachable, and what that is made of."""
        made = {to_raw(digest) for digest in self._recipes.digests()}
        needed: set[bytes] = set()
        asked = {raw for raw in made if raw in reached}
        while asked:
            recipe = self._recipes.find(from_raw(asked.pop()))
            bases = set() if recipe is None else recipe.bases - needed
            needed |= bases
            asked |= bases & made
        return needed.union(reached) if needed else reached

    def pieces(self, recipe: Recipe, start: int = 0) -> Iterator[bytes]:
        """The bytes that a recipe makes, unverified."""
        return assembled(recipe, self._open, start)

    def told(self, digest: Digest) -> bytes | None:
        """The recipe of an object that does not lie here itself, as it travels; None where there is none."""
        recipe = None if self._loose.has(digest) else self._recipes.find(digest)
        return None if recipe is None else encode(recipe)

    def take(self, digest: Digest, told: bytes) -> None:
        """Keep a recipe that came from elsewhere; what it is made of must be here.

        Raises:
            StoreError: it is damaged, an object is missing, or it does not make what the digest names.
        """
        recipe, hasher = decode(told, f"of {digest}"), Hasher()
        for needed in (*recipe.bases, to_raw(digest)):
            self._claim(needed)
        if not all(map(self._there, recipe.bases)):
            raise StoreError(
                f"{digest} cannot be made",
                cause="an object that its recipe names is not here",
                cure="send that first, or the object whole",
            )
        for piece in self.pieces(recipe):
            hasher.update(piece)
        if hasher.digest() != digest:
            raise damaged(digest, "its recipe")
        self._safe()
        self._recipes.put(digest, recipe)

    def get(self, digest: Digest) -> bytes | None:
        """An object's bytes by its recipe, verified; None where there is none."""
        recipe = self._recipes.find(digest)
        if recipe is None:
            return None
        data = b"".join(self.pieces(recipe))
        if digest_bytes(data) != digest:
            raise damaged(digest, str(self.path(digest)))
        return data

    def check(self, digest: Digest) -> None:
        """Read an object by its recipe.

        Raises:
            StoreError: its bytes are not those that the digest names.
        """
        recipe, hasher = self._recipes.find(digest), Hasher()
        if recipe is not None:
            for piece in self.pieces(recipe):
                hasher.update(piece)
            if hasher.digest() != digest:
                raise damaged(digest, str(self.path(digest)))

    def keep_file(self, path: Path, former: Digest) -> Digest | None:
        """Keep a file as what it shares with a former object and what is new in it; None where that does not pay."""
        before = self.find(former)
        if before is None or before.size < self._least:
            return None
        fd, temporary = self._loose.scratch()
        try:
            new = _Kept(self._files, fd, durable=self._durable)
            found = compare(path, before, self._open, new.keep)
            return None if found is None else self._keep(found, before, new, temporary)
        finally:
            os.close(fd)
            temporary.unlink(missing_ok=True)

    def _keep(self, found: Compared, before: Recipe, new: _Kept, temporary: Path) -> Digest | None:
        if self._whole(found.digest):
            return found.digest
        raw = to_raw(new.hasher.digest())
        recipe = written(found, before, raw)
        if recipe is None:
            return None
        if found.new > self._small:
            new.sync()
            self._loose.adopt(temporary, new.hasher.digest())
        elif found.new:
            self._put(temporary.read_bytes())
        for needed in (*recipe.bases, to_raw(found.digest)):
            self._claim(needed)
        if not all(map(self._there, recipe.bases)):  # gc deleted one before it was claimed
            return None
        self._safe()
        self._recipes.put(found.digest, recipe)
        return found.digest

    def _whole(self, digest: Digest) -> bool:
        """Whether the object is here already, and its bytes are still its own."""
        self._claim(to_raw(digest))
        try:
            if self._loose.has(digest):
                self._loose.check(digest)
                return True
            for base in self.bases(digest):
                self._claim(to_raw(base))
            self.check(digest)
            return self._recipes.find(digest) is not None
        except (StoreError, OSError):
            return False

    def _there(self, raw: bytes) -> bool:
        """Whether a base is there, itself and not as a recipe, now that gc knows that it is needed."""
        if self._loose.has(from_raw(raw)):
            return True
        if self.path(from_raw(raw)).exists():
            return False
        try:
            self._get(from_raw(raw))
        except StoreError:
            return False
        return True

    def _open(self, raw: bytes) -> BinaryIO:
        path = self._loose.path(from_raw(raw))
        return path.open("rb", buffering=0) if path.exists() else io.BytesIO(self._get(from_raw(raw)))


class _Kept:
    """The new bytes of a file, as they are found."""

    def __init__(self, files: Files, fd: int, *, durable: bool) -> None:
        self.hasher = Hasher()
        self._files, self._fd, self._end, self._durable = files, fd, 0, durable

    def keep(self, data: bytes) -> None:
        """Write the next ones."""
        self.hasher.update(data)
        self._end = write_all(self._files, self._fd, [data], self._end)

    def sync(self) -> None:
        """Make them safe from a power cut."""
        if self._durable:
            self._files.sync(self._fd)
