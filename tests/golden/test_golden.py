"""Files written by the first version of each format: they must be read for ever, and written the same today.

A difference here is a new format version (or a mistake), never a new golden file for the old one.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest

from mulle.catalog import ledger
from mulle.clock import SystemClock
from mulle.config import check_format, write_format
from mulle.hashing import (
    TreeEntry,
    canonical,
    decode_manifest,
    digest_bytes,
    digest_tree,
    digest_value,
    encode_manifest,
    to_raw,
)
from mulle.hashing.tree import FOLDER, PROGRAM, decode_node, of_tree_entry, put_files
from mulle.spool import SpoolWriter, read_segment
from mulle.store import LocalStore, condemned
from mulle.store.files import Files
from mulle.store.recipes import Range, Recipe, Recipes
from mulle.types import Digest

FILES = Path(__file__).parent / "files"
OBJECTS = [b"", b"mulle", "물레".encode(), b"x" * 100]
PAYLOADS = [b"one", "물레".encode(), b"x" * 100]
ENTRIES = [
    TreeEntry("run.sh", digest_bytes(b"#!/bin/sh\n"), 10, 0o755),
    TreeEntry("데이터/a.csv", digest_bytes(b"a\n"), 2),
    TreeEntry("data/b.csv", digest_bytes(b"b\n"), 2),
]
LARGE = [TreeEntry(f"{number:05d}.bin", digest_bytes(b"%d" % number), number) for number in range(5_000)]
SHORT = digest_bytes(b"56789012")
PAYLOAD = ledger.encode_payload({"b": 1, "a": [None, 0.5]})
EVENT: list[int | str] = [
    7, "01a1fe01-82b3-70a6-82a9-f41eaa3178fd", 1_356_998_400_000_000, "kim@host", "models.promote", "model:delay@3",
    'better, she said: "물레"', "01a1fe01-82b3-70a6-82a9-f41eaa3178fc", PAYLOAD, ledger.GENESIS,
]  # fmt: skip


class Record(msgspec.Struct):
    x: int
    y: str


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -12,
    "large": 2**70,
    "half": 0.5,
    "not a number": float("nan"),
    "text": "물레",
    "bytes": b"\x00\xff",
    "instant": datetime(2013, 1, 1, 6, 30, 0, 1, tzinfo=UTC),
    "before 1970": datetime(1969, 12, 31, tzinfo=UTC),
    "date": date(2013, 1, 1),
    "duration": timedelta(hours=-2),
    "decimal": Decimal("1.50"),
    "path": PurePosixPath("a/b"),
    "list": [1, "a", [None]],
    "dict": {"b": 1, "a": 2, 3: 4},
    "set": {3, 1, 2},
    "record": Record(1, "a"),
}


def pack_of(folder: Path, *, limit: int = 1 << 20) -> bytes:
    with LocalStore(folder, pack_limit=limit) as store:
        for data in OBJECTS:
            store.put(data)
    [path] = (folder / "packs").glob("*.pack")
    return path.read_bytes()


def segment(folder: Path) -> bytes:
    with SpoolWriter(folder, "golden", SystemClock()) as spool:
        spool.append_many(PAYLOADS)
    return (folder / "golden-00000001.seg").read_bytes()


def root_node(entries: list[TreeEntry]) -> bytes:
    """The bytes of a tree's root, which is put last."""
    nodes: list[bytes] = []

    def put(node: bytes) -> Digest:
        nodes.append(node)
        return digest_bytes(node)

    put_files(map(of_tree_entry, entries), put)
    return nodes[-1]


def recipe(folder: Path) -> bytes:
    base = to_raw(digest_bytes(b"0123456789"))
    recipes = Recipes(folder / "recipes", Files(), durable=False)
    recipes.put(SHORT, Recipe(8, [Range(base, 5, 5), Range(base, 0, 3)]))
    return recipes.path(SHORT).read_bytes()


def values() -> bytes:
    found = {
        name: {"canonical": canonical(value).hex(), "digest": digest_value(value)} for name, value in VALUES.items()
    }
    return (json.dumps(found, indent=1) + "\n").encode()


def event() -> bytes:
    return msgspec.json.encode(EVENT) + b"\n" + ledger.event_digest(EVENT).encode() + b"\n"


def mark(folder: Path) -> bytes:
    write_format(folder)
    return (folder / "format").read_bytes()


WRITERS: dict[str, Callable[[Path], bytes]] = {
    "open.pack": pack_of,
    "sealed.pack": lambda folder: pack_of(folder, limit=280),
    "tree.json": lambda _: encode_manifest(ENTRIES),
    "tree.node": lambda _: root_node(ENTRIES),
    "tree-large.txt": lambda _: digest_tree(LARGE).encode() + b"\n",
    "recipe": recipe,
    "spool.seg": segment,
    "values.json": lambda _: values(),
    "event.txt": lambda _: event(),
    "format": mark,
}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_it_is_still_written_the_same(tmp_path: Path, name: str) -> None:
    written = WRITERS[name](tmp_path)
    if os.environ.get("MULLE_WRITE_GOLDEN") == name:
        (FILES / name).write_bytes(written)
    assert written == (FILES / name).read_bytes()


@pytest.mark.parametrize("name", ["open.pack", "sealed.pack"])
def test_packs_are_still_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / name).write_bytes((FILES / name).read_bytes())
    store = LocalStore(tmp_path)
    assert [store.get(digest_bytes(data)) for data in OBJECTS] == OBJECTS


def test_segments_are_still_read() -> None:
    assert read_segment(FILES / "spool.seg").frames == PAYLOADS


def test_trees_are_still_read() -> None:
    assert sorted(decode_manifest((FILES / "tree.json").read_bytes()), key=str) == sorted(ENTRIES, key=str)


def test_nodes_are_still_read() -> None:
    entries = decode_node((FILES / "tree.node").read_bytes()).entries
    assert [(entry.name, entry.kind, entry.size, entry.files) for entry in entries] == [
        (b"data", FOLDER, 2, 1),
        (b"run.sh", PROGRAM, 10, 1),
        ("데이터".encode(), FOLDER, 2, 1),
    ]


def test_recipes_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "recipes" / SHORT[3:5] / SHORT[3:]
    path.parent.mkdir(parents=True)
    path.write_bytes((FILES / "recipe").read_bytes())
    store = LocalStore(tmp_path)
    store.put(b"0123456789")
    assert store.get(SHORT) == b"56789012"


MARKS = {bytes([n]) * 32: condemned.Mark(n, 1_356_998_400_000_000 + n, 1_000 * n) for n in (1, 2, 3)}


def test_lists_of_the_condemned_are_written_the_same(tmp_path: Path) -> None:
    condemned.save(tmp_path, 3, MARKS, Files())
    condemned.pardon(tmp_path, [bytes([2]) * 32], Files())
    assert (tmp_path / "condemned").read_bytes() == (FILES / "condemned").read_bytes()


def test_lists_of_the_condemned_are_still_read() -> None:
    assert condemned.load(FILES) == (3, {raw: MARKS[raw] for raw in MARKS if raw != bytes([2]) * 32})


def test_workspaces_are_still_accepted() -> None:
    check_format(FILES)
