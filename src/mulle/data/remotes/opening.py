"""From what people write for a remote to its objects and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from mulle.errors import UsageError, unknown
from mulle.hashing import digest_bytes
from mulle.verbs import current

if TYPE_CHECKING:
    from mulle.data.remotes.state import RemoteRefs
    from mulle.store.remote import RemoteStore

UNNAMED = "remote"
_HTTP = {"http", "https"}


@dataclass(frozen=True)
class Remote:
    """An opened remote: its name in the settings ("remote" where it was given by address), its objects and records."""

    name: str
    url: str
    store: RemoteStore
    refs: RemoteRefs

    @property
    def name_or_url(self) -> str:
        """What one writes on the command line to mean it."""
        return self.url if self.name == UNNAMED else self.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def opened(text: str, named: Mapping[str, str], root: Path, cache: Path) -> Remote:
    """Open the remote of that name, or at that address or path. Nothing is asked of it yet.

    Args:
        text: a name of the settings, an address as `s3://bucket/prefix`, or the path of a folder.
        named: the addresses by name, from `[remotes]`.
        root: what paths in the settings are relative to.
        cache: the folder of the local caches, one for each remote.

    Raises:
        UsageError: there is no such name, or no such address can be; over HTTP, it is no name.
    """
    name, address = _address(text, named, root)
    folder = cache / digest_bytes(address.partition("?")[0].rstrip("/").encode())[3:19]
    # obstore takes a twentieth of a second to import; only those who use a remote pay for it.
    from mulle.data.remotes import refs  # noqa: PLC0415 - start-up time
    from mulle.store.bucket import Bucket  # noqa: PLC0415 - start-up time
    from mulle.store.cloud import CloudStore  # noqa: PLC0415 - start-up time
    from mulle.store.http import ServerStore  # noqa: PLC0415 - start-up time

    if urlsplit(address).scheme in _HTTP:
        server = ServerStore(address, folder)
        return Remote(name, server.url, server, refs.ServerRefs(server))
    bucket = Bucket(address)
    return Remote(name, bucket.url, CloudStore(bucket, folder), refs.BucketRefs(bucket))


def _address(text: str, named: Mapping[str, str], root: Path) -> tuple[str, str]:
    if text in named:
        found = named[text]
        parts = urlsplit(found)
        if not parts.scheme and not Path(found).expanduser().is_absolute():
            found = str((root / found).resolve())
        return text, found
    if current().far:
        raise UsageError(
            f"'{text}' is no remote of this project",
            cause="over HTTP a remote is named, so that nobody can make the server send data elsewhere",
            cure="name one of [remotes] in mulle.toml",
        )
    if "/" in text or "\\" in text or ":" in text or text.startswith((".", "~")) or Path(text).is_dir():
        return UNNAMED, text
    cure = f'write ./{text} for a new folder, or name it in mulle.toml: [remotes] {text} = "s3://bucket/prefix"'
    raise unknown("remote", text, named, cure=cure)
