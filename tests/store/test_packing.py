from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.store import packing


def items(*contents: bytes) -> list[tuple[bytes, bytes]]:
    return [(blake3(each).digest(), each) for each in contents]


@given(st.lists(st.binary(max_size=200), unique=True))
def test_what_is_sealed_comes_out_in_its_order(contents: list[bytes]) -> None:
    made = packing.seal(items(*contents))
    assert list(packing.objects_in(made.data, "it")) == items(*contents)


@given(st.lists(st.binary(max_size=200), unique=True))
def test_the_footer_tells_where_each_lies(contents: list[bytes]) -> None:
    made = packing.seal(items(*contents))
    found = {
        entry.raw: made.data[entry.offset : entry.offset + entry.length]
        for entry in packing.entries_of(made.footer, "")
    }
    assert found == dict(items(*contents))


def test_the_same_objects_make_the_same_pack() -> None:
    assert packing.seal(items(b"one", b"two")).name == packing.seal(items(b"one", b"two")).name


def test_a_pack_is_named_by_its_bytes() -> None:
    made = packing.seal(items(b"one"))
    assert made.name == blake3(made.data).hexdigest()


@given(st.data())
def test_a_changed_byte_is_found(data: st.DataObject) -> None:
    made = packing.seal(items(b"one", b"two" * 20))
    records = len(made.data) - len(made.footer)
    place = data.draw(st.integers(0, records - 1))
    changed = bytearray(made.data)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoreError):
        list(packing.objects_in(bytes(changed), "it"))


@given(st.integers(0, 200))
def test_a_cut_is_found(length: int) -> None:
    made = packing.seal(items(b"one", b"two" * 20))
    with pytest.raises(StoreError):
        list(packing.objects_in(made.data[: min(length, len(made.data) - 1)], "it"))


@pytest.mark.parametrize("place", [0, 10, -1, -20, -60])
def test_a_damaged_footer_is_found(place: int) -> None:
    footer = bytearray(packing.seal(items(b"one", b"two")).footer)
    footer[place] ^= 1
    with pytest.raises(StoreError, match="index it is damaged"):
        packing.entries_of(bytes(footer), "it")
