"""Where a DVC repository's contents lie: its cache, in the layouts of DVC 3 and DVC 2, and its remotes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mulle.data.doors import dvcfiles
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.data.doors.dvcfiles import Config, Content, Remote

_CHUNK = 1 << 20
_ENVIRONMENT = {
    "endpointurl": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}
"""DVC's settings of an S3 remote, and where our buckets look for them."""
_FEW = 64
_AWAY = {"s3", "gs", "az", "azure", "abfs"}


class Place(Protocol):
    """Somewhere that contents may be."""

    def has(self, name: str) -> bool:
        """Whether there is something under that name."""

    def get(self, name: str) -> bytes:
        """What is there."""


@dataclass(frozen=True)
class Folder:
    """A cache, or a remote that is a folder."""

    root: Path

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def get(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


class Away:
    """A remote in object storage."""

    def __init__(self, remote: Remote) -> None:
        from mulle.store.bucket import Bucket  # noqa: PLC0415 - start-up time: few repositories need it

        told = {ours: remote.settings[theirs] for theirs, ours in _ENVIRONMENT.items() if theirs in remote.settings}
        self._bucket = Bucket(remote.url, environment={**os.environ, **told})
        self._asked = 0
        self._listed: set[str] | None = None

    def has(self, name: str) -> bool:
        """Asks for a few one by one; whoever asks for many is answered from one listing."""
        if self._listed is None:
            self._asked += 1
            if self._asked <= _FEW:
                return self._bucket.size(name) is not None
            self._listed = {key for key, _, _ in self._bucket.listed()}
        return name in self._listed

    def get(self, name: str) -> bytes:
        found = self._bucket.read(name)
        if found is None:
            raise DataError(f"{name} is not in the remote any more", cause="somebody removed it", cure="import again")
        return found


class Contents:
    """Reads contents from the first place that has them, and checks those that can be checked."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    def has(self, content: Content) -> bool:
        """Whether some place has it."""
        return self._find(content) is not None

    def path(self, content: Content) -> Path | None:
        """A local file that has it; None where none does, or it is not local."""
        found = self._find(content)
        return found[0].root / found[1] if found is not None and isinstance(found[0], Folder) else None

    def get(self, content: Content) -> bytes:
        """The bytes.

        Raises:
            DataError: no place has them, or they are damaged.
        """
        found = self._find(content)
        if found is None:
            raise DataError(f"{content.md5} is nowhere", cause="neither in the cache nor in a remote", cure="dvc fetch")
        data = found[0].get(found[1])
        if not fits(content, hashlib.md5(data, usedforsecurity=False).hexdigest()):
            raise damaged(content, found[1])
        return data

    def _find(self, content: Content) -> tuple[Place, str] | None:
        for place in self._places:
            for name in _names(content):
                if place.has(name):
                    return place, name
        return None


def fits(content: Content, md5: str) -> bool:
    """Whether bytes of that md5 can be the content: what DVC 2 named by normalised text cannot be told."""
    return content.algorithm != "md5" or content.md5.removesuffix(dvcfiles.DIRECTORY) == md5


def damaged(content: Content, where: str) -> DataError:
    """The error for bytes that are not what their name says."""
    return DataError(
        f"{where} in the DVC cache is damaged",
        cause=f"its bytes are not those of {content.md5}",
        cure="remove that file, then: dvc fetch",
    )


def md5_of(path: Path) -> str:
    """The md5 of a file, read in pieces."""
    state = hashlib.md5(usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _names(content: Content) -> Iterator[str]:
    old, new = f"{content.md5[:2]}/{content.md5[2:]}", f"files/md5/{content.md5[:2]}/{content.md5[2:]}"
    yield from (new, old) if content.algorithm == "md5" else (old, new)


def cache_of(root: Path) -> Path:
    """The folder of a DVC repository's cache."""
    return root / ".dvc" / (_settings(root).cache or "cache")


def contents(root: Path) -> Contents:
    """The places of the DVC repository whose `.dvc` folder is in `root`, as its configuration says.

    Raises:
        DataError: the configuration is malformed.
    """
    remotes = (_place(remote, root) for remote in _settings(root).remotes)
    return Contents([Folder(cache_of(root)), *(place for place in remotes if place is not None)])


def _settings(root: Path) -> Config:
    files = [root / ".dvc" / name for name in ("config", "config.local")]
    return dvcfiles.config(*(file.read_text("utf-8") for file in files if file.is_file()))


def _place(remote: Remote, root: Path) -> Place | None:
    """Where a remote is; None for one that only DVC can read: what it has not fetched is told as missing."""
    scheme, separator, rest = remote.url.partition("://")
    if not separator:
        return Folder(root / ".dvc" / remote.url)
    if scheme in {"file", "local"}:
        return Folder(Path(rest))
    return Away(remote) if scheme in _AWAY else None
