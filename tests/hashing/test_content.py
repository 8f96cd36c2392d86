from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import UsageError
from mulle.hashing import Hasher, digest_bytes, digest_file, from_raw, is_digest, to_raw
from mulle.types import Digest

EMPTY = "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_the_published_digest_of_nothing() -> None:
    assert digest_bytes(b"") == EMPTY


@given(st.binary())
def test_a_digest_is_spelled_as_one(data: bytes) -> None:
    assert is_digest(digest_bytes(data))


@given(st.lists(st.binary()))
def test_pieces_are_the_same_as_the_whole(pieces: list[bytes]) -> None:
    hasher = Hasher()
    for piece in pieces:
        hasher.update(piece)
    assert hasher.digest() == digest_bytes(b"".join(pieces))


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_is_the_same_as_its_bytes(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert digest_file(tmp_path / "file") == digest_bytes(b"x" * size)


@given(st.binary(min_size=32, max_size=32))
def test_raw_and_back(raw: bytes) -> None:
    assert to_raw(from_raw(raw)) == raw


@pytest.mark.parametrize("text", ["", "b3:", EMPTY[:-1], EMPTY + "0", EMPTY.upper(), EMPTY[3:], EMPTY + "\n"])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a digest"):
        to_raw(Digest(text))
