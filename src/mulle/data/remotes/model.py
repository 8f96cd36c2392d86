"""What is told of remotes, and what lies on them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mulle.data.commits import Commit
from mulle.types import Digest

FORMAT = 1


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the sequence of a branch, or a tag, as it lies on a remote: the commit that it names."""

    format: int = FORMAT
    id: Digest
    at: datetime
    actor: str


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset's commits, branches and tags as one object: how a server is given them, and gives them."""

    format: int = FORMAT
    dataset: str
    commits: list[Commit]
    branches: dict[str, Digest]
    tags: dict[str, Digest]


class RemoteVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version on a remote, as its commit's record says."""

    id: Digest
    number: int
    at: datetime
    actor: str
    message: str


class RemoteDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset on a remote: how many versions, and where its branches and tags point."""

    name: str
    versions: int
    branches: dict[str, RemoteVersion]
    tags: dict[str, RemoteVersion]


class PushReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a push did.

    `versions` are those that are new there, `objects` and `bytes` what travelled. `records` is the digest of the
    dataset's records where the remote was "here".
    """

    dataset: str
    remote: str
    versions: list[str]
    branches: list[str]
    tags: list[str]
    objects: int
    bytes: int
    records: str = ""


class PullReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull did.

    `versions` are those that are new here. `branches` says of each branch what became of it: "new", "up to date",
    "fast-forward", "ahead", or "diverged", and then on which branch the other line is. `partial` says that parts of
    versions were left there.
    """

    dataset: str
    remote: str
    versions: list[str]
    branches: dict[str, str]
    tags: list[str]
    objects: int
    bytes: int
    partial: bool = False
