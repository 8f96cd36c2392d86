"""Pointer files: `PATH.mulle` beside data that git does not hold says which version of which dataset belongs there.

They are small TOML files that git reviews, merges and checks out as code; `mulle data checkout` brings the data after.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.data.model import Kind
from mulle.errors import DataError
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.data.model import Version

SUFFIX = ".mulle"
_HEAD = "# The data of this path is kept by mulle, outside of git: `mulle data checkout` brings it.\n"
_COLUMNS = 200
"""A table of more columns is told by its first ones."""


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """Which version belongs beside a pointer file, and enough of it to review a change.

    `version` is the commit's id, which is the same in every workspace.
    """

    name: str
    version: Digest
    logical: Digest
    kind: Kind
    bytes: int
    files: int = 0
    rows: int = 0
    message: str = ""
    schema: dict[str, str] = {}

    @property
    def ref(self) -> str:
        """The version as one writes it, whatever its number is here."""
        return f"{self.name}@{self.version}"


def pointer_of(version: Version, files: int) -> Pointer:
    """The pointer to a version, which has so many files."""
    return Pointer(
        name=version.dataset,
        version=version.id,
        logical=version.logical,
        kind=version.kind,
        bytes=version.bytes,
        files=files,
        rows=version.rows,
        message=version.message.partition("\n")[0],
        schema=dict(version.schema[:_COLUMNS]),
    )


def render(pointer: Pointer) -> str:
    """The pointer as TOML: one fact a line, so that a diff says what changed."""
    facts = msgspec.to_builtins(pointer)
    left_out = {"rows", "schema"} if pointer.kind == "files" else {"files", "schema"}
    lines = [f"{name} = {_toml(value)}" for name, value in facts.items() if name not in left_out and value != ""]
    if pointer.schema:
        lines += ["", "[schema]", *(f"{_toml(name)} = {_toml(kind)}" for name, kind in pointer.schema.items())]
    return _HEAD + "\n".join(lines) + "\n"


def _toml(value: str | int) -> str:
    """A number, or text as a basic string of TOML, which is written as JSON's is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read(path: Path) -> Pointer:
    """The pointer in a file.

    Raises:
        DataError: it cannot be read as one; says whether git left a conflict in it.
    """
    try:
        text = path.read_text("utf-8")
        return msgspec.convert(tomllib.loads(text), Pointer)
    except FileNotFoundError:
        raise DataError(
            f"there is no pointer file {path}", cause="the path does not exist", cure="mulle data add PATH makes one"
        ) from None
    except (OSError, ValueError, msgspec.ValidationError) as error:
        conflict = "<<<<<<<" in (text if "text" in locals() else "")
        raise DataError(
            f"{path} is no pointer file that can be read",
            cause="git left a conflict in it" if conflict else str(error),
            cure=f"git checkout --ours '{path}' (or --theirs)" if conflict else f"git log -- '{path}'",
        ) from error


def ref_of(text: str) -> str:
    """The version that is meant by a pointer file's path; any other text as it is."""
    return read(Path(text)).ref if text.endswith(SUFFIX) and Path(text).is_file() else text


def pointer_file(path: Path) -> Path:
    """Where the pointer to the data at a path lies: beside it."""
    return path.with_name(path.name + SUFFIX)


def data_path(file: Path) -> Path:
    """Where the data of a pointer file belongs."""
    return file.with_name(file.name.removesuffix(SUFFIX))


def found_below(folder: Path) -> Iterator[Path]:
    """The pointer files in a folder and below it, sorted; what they point at, `.git` and `.mulle` are left out."""
    for where, folders, names in os.walk(folder):
        pointers = {name for name in names if name.endswith(SUFFIX) and name != SUFFIX}
        hidden = {".git", ".mulle", *(name.removesuffix(SUFFIX) for name in pointers)}
        folders[:] = sorted(set(folders) - hidden)
        yield from (Path(where) / name for name in sorted(pointers))
