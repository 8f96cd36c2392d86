"""The portable record of a commit: what a version is without a workspace's own numbers and references. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from mulle.hashing import digest_value
from mulle.types import Digest

FORMAT = 1


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A version as it travels.

    `parents` are the ids of its parents, the line that it continues first. `number` and `branch` are where it was made:
    hints, which the id does not cover, as the watermark.
    """

    format: int = FORMAT
    id: Digest
    manifest: Digest
    parents: list[Digest]
    message: str
    at: datetime
    actor: str
    branch: str
    number: int
    watermark: datetime | None = None

    def verified(self) -> bool:
        """Whether the id is that of what the record says."""
        return self.id == commit_id(self.manifest, self.parents, self.message, self.at, self.actor)


def commit_id(manifest: Digest, parents: Sequence[Digest], message: str, at: datetime, actor: str) -> Digest:
    """The id of a commit: the digest of what was committed after what, when, by whom and why."""
    return digest_value({"manifest": manifest, "parents": list(parents), "message": message, "at": at, "actor": actor})
