from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from mulle.data.commits import Commit, commit_id
from mulle.types import Digest

AT = datetime(2013, 1, 1, tzinfo=UTC)
MANIFEST = Digest("b3:" + "ab" * 32)


def test_the_id_is_specified() -> None:
    """Other workspaces and later versions must find the same."""
    assert commit_id(MANIFEST, [], "first", AT, "ann") == (
        "b3:842aa20ac235d3ddd763d86623f4452e7519692d4df912316368416f26228320"
    )


def test_everything_that_was_said_counts() -> None:
    other = Digest("b3:" + "cd" * 32)
    ids = {
        commit_id(MANIFEST, [], "first", AT, "ann"),
        commit_id(other, [], "first", AT, "ann"),
        commit_id(MANIFEST, [other], "first", AT, "ann"),
        commit_id(MANIFEST, [other, MANIFEST], "first", AT, "ann"),
        commit_id(MANIFEST, [MANIFEST, other], "first", AT, "ann"),
        commit_id(MANIFEST, [], "second", AT, "ann"),
        commit_id(MANIFEST, [], "first", AT.replace(microsecond=1), "ann"),
        commit_id(MANIFEST, [], "first", AT, "bo"),
    }
    assert len(ids) == 8


def test_a_record_that_was_changed_does_not_verify() -> None:
    made = commit_id(MANIFEST, [], "first", AT, "ann")
    commit = Commit(
        id=made, manifest=MANIFEST, parents=[], message="first", at=AT, actor="ann", branch="main", number=1
    )
    assert commit.verified()
    assert msgspec.json.decode(msgspec.json.encode(commit), type=Commit).verified()
    assert not msgspec.structs.replace(commit, actor="eve").verified()
