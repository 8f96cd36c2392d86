"""Objects of a bucket, each read once: S3 and what speaks like it, Google Cloud Storage, Azure, a folder."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from blake3 import blake3

from mulle.data import files as table_files
from mulle.data.sources.databases import expanded, shown
from mulle.data.sources.pieces import Changed, Piece, Pieces, Removed, format_of
from mulle.data.sources.port import Batch, Place, Position
from mulle.errors import DataError, ProjectError, StoreError
from mulle.store.bucket import SCHEMES, Bucket
from mulle.types import duration


@dataclass(frozen=True)
class ObjectsSource:
    """See `objects`."""

    url: str
    changed: Changed
    removed: Removed
    every: timedelta

    kind = "objects"

    @property
    def address(self) -> str:
        return shown(self.url.partition("?")[0])

    @property
    def identity(self) -> str:
        return f"objects {self.address}"

    def cursor(self, position: Position) -> str:
        return f"{len(position.marks)} objects"

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        base, pattern = parted(expanded(self.url))
        if urlsplit(base).scheme == "file" and not Path(urlsplit(base).path).is_dir():
            raise DataError(f"there is no folder {base}", cause="the path does not exist", cure="check the path")
        try:
            bucket = Bucket(base)
            found = sorted(bucket.listed())
            wanted = matcher(pattern)
            listed = [
                Piece(key, f"{tag} {size}", _fetched(bucket, key, place.scratch), format=format_of(key))
                for key, size, tag in found
                if wanted(key)
            ]
            yield from Pieces(self.address, self.changed, self.removed).batches(listed, position, place)
        except StoreError as error:
            cure = "mend the address or the credentials, and collect again: nothing is lost or taken twice"
            raise DataError(f"{self.address} cannot be read", cause=error.cause or error.message, cure=cure) from error


def parted(url: str) -> tuple[str, str]:
    """The address below which to list, options included, and the pattern of the keys below it."""
    address, mark, options = _options_of(url)
    scheme, _, rest = address.partition("://")
    parts = rest.split("/")
    fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    if fixed == len(parts):
        one = len(parts) > 1 and table_files.is_table_file(Path(parts[-1]))
        fixed = len(parts) - 1 if one else len(parts)
    return f"{scheme}://{'/'.join(parts[:fixed])}{mark}{options}", "/".join(parts[fixed:])


def _options_of(url: str) -> tuple[str, str, str]:
    """An address and its options: a `?` may stand for a letter, so options are what has the form NAME=… after one."""
    found = re.search(r"\?(\w+=.*)$", url)
    return (url[: found.start()], "?", found[1]) if found else (url, "", "")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a key matches; `*` stays within a folder, `**` does not. Without pattern, whether it is a table's."""
    if not pattern:
        return lambda key: table_files.is_table_file(Path(key))
    text = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", pattern):
        special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        text += special.get(part) or (part.replace("[!", "[^") if part.startswith("[") else re.escape(part))
    compiled = re.compile(text)
    return lambda key: compiled.fullmatch(key) is not None


def _fetched(bucket: Bucket, key: str, scratch: Path) -> Callable[[], AbstractContextManager[Path]]:
    @contextmanager
    def fetched() -> Iterator[Path]:
        scratch.mkdir(parents=True, exist_ok=True)
        name = Path(key).name
        path = scratch / f"{blake3(key.encode()).hexdigest(8)}-{name[-80:]}"
        try:
            with path.open("wb") as file:
                pieces = bucket.stream(key)
                if pieces is None:
                    raise DataError(
                        f"the object {key} was removed while it was collected",
                        cause=f"{bucket.url} no longer has it",
                        cure="collect again",
                    )
                for piece in pieces:
                    file.write(piece)
            yield path
        finally:
            path.unlink(missing_ok=True)

    return fetched


def objects(
    url: str,
    *,
    changed: Changed = "error",
    removed: Removed = "error",
    every: str | timedelta = "1m",
) -> ObjectsSource:
    """The rows of the tables in a bucket, each object once; only what is new or has changed is read.

    Credentials are those of the platform's own tools, in the environment (`AWS_ACCESS_KEY_ID` and the like); what is
    not secret may follow the address, as `s3://bucket/in/*.parquet?endpoint=http://127.0.0.1:9000&region=eu-west-1`. Of
    CSV, TSV and JSON lines that only grew, the new lines are taken.

    Args:
        url: `s3://`, `gs://`, `az://` or `file://`, with a pattern of keys (`*` within a folder, `**` across), an
            object, or a prefix, of which all tables are read.
        changed: what happens when an object is no longer what was taken: an error, or all objects are read anew.
        removed: what happens when an object is gone: an error, its rows are kept, or all objects are read anew.
        every: how long the wheel waits before it lists again.
    """
    if urlsplit(url).scheme not in SCHEMES or url.startswith("memory"):
        raise ProjectError(
            f"'{shown(url)}' is no address of a bucket",
            cause="it begins with none of s3://, gs://, az://, file://",
            cure="write for example s3://bucket/in/*.parquet",
        )
    return ObjectsSource(url, changed, removed, duration(every))
