"""What goes wrong is told with its cure and an exit code, never by a traceback, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance import shop
from tests.acceptance.prompt import mulle, must
from tests.cli.said import Mulle, Said

from mulle.types import Digest
from mulle.workspace import Workspace

pytestmark = pytest.mark.slow

HEADER = "visit,at,shop,rain,busy\n"


def told(said: Said, *words: str) -> None:
    """The call failed as it should: three fields, each word in one of them."""
    assert said.code in (1, 2), said.out + said.err
    assert set(said.json) == {"error", "cause", "cure"}
    assert said.json["error"]
    assert said.json["cure"]
    assert "fault in mulle" not in said.json["cause"]
    for word in words:
        assert word in said.json["error"] + said.json["cause"], said.json


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The shop once more, for a test to damage."""
    return shutil.copytree(built, tmp_path / "shop")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["--row", "shop=park"], ["no column 'rain'"]),
        (["--row", "shop=park", "--row", "rain=wet"], ["Expected `float", "rain"]),
    ],
)
def test_a_row_that_the_model_cannot_take(ask: Mulle, row: list[str], words: list[str]) -> None:
    told(ask("predict", "front", *row, "--json"), *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEADER + "a,2026-03-12T00:00:00Z,park,wet,true\n", ["'rain' is declared as float and is str"]),
        ("visit,at,shop,busy\na,2026-03-12T00:00:00Z,park,true\n", ["'rain' is declared as float and is missing"]),
        (HEADER + 2 * "a,2026-03-12T00:00:00Z,park,1.5,true\n", ["duplicate key", "visit=a"]),
        (HEADER + "0101-1,2026-03-12T00:00:00Z,park,1.5,true\n", ["duplicate key", "committed before"]),
        (HEADER, ["has no rows"]),
    ],
    ids=["changed type", "missing column", "duplicate key", "key of an earlier row", "empty batch"],
)
def test_a_batch_that_does_not_fit_changes_nothing(
    ask: Mulle, ws: Workspace, tmp_path: Path, content: str, words: list[str]
) -> None:
    (tmp_path / "more.csv").write_text(content)
    before = ws.data.head("visits")
    told(ask("data", "commit", "visits", tmp_path / "more.csv", "--append", "--json"), *words)
    assert ws.data.head("visits") == before


def test_an_error_in_a_module_that_the_project_imports(tmp_path: Path) -> None:
    shop.write(tmp_path, logit="class Logit:\n    weights = unknown_name\n")
    told(mulle(tmp_path, "run", "front", "--json"), "logit.py:2: weights = unknown_name", "NameError")


def test_a_malformed_setting(tmp_path: Path) -> None:
    shop.write(tmp_path)
    (tmp_path / "mulle.toml").write_text('[run]\nexecuter = "process"\n')
    told(mulle(tmp_path, "runs", "list", "--json"), "executer", "did you mean 'executor'?")


def test_a_changed_event_is_named(copy: Path) -> None:
    count = must(copy, "audit", "verify")["count"]
    event = must(copy, "audit", "log", "--limit", "400")[count // 2]
    with sqlite3.connect(copy / ".mulle" / "catalog.db") as database:
        changed = database.execute("UPDATE event SET actor = 'n' || substr(actor, 2) WHERE id = ?", [event["id"]])
        assert changed.rowcount == 1
    database.close()
    said = mulle(copy, "audit", "verify", "--json")
    told(said, event["id"])
    assert said.code == 1


def test_a_corrupted_object_is_named_and_the_rest_is_there(copy: Path) -> None:
    with Workspace.open(copy) as ws:
        digest = ws.data.show("visits@10").parts[-1].digest
        content = ws.store.get(Digest(digest))
    (pack,) = [path for path in (copy / ".mulle" / "packs").glob("*.pack") if content in path.read_bytes()]
    whole = pack.read_bytes()
    place = whole.index(content) + len(content) // 2
    pack.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    told(mulle(copy, "data", "read", "visits@10", "--offset", "3350", "--json"), digest[:12], "damaged")
    assert must(copy, "data", "read", "visits@6")["total"] == 2016
    verified = mulle(copy, "data", "verify", "--json")
    assert (verified.code, verified.json["damaged"][0]["digest"]) == (1, digest)


@pytest.mark.parametrize("blocks", [16, 400], ids=["at once", "later"])
def test_a_full_disk_loses_nothing(tmp_path: Path, blocks: int) -> None:
    """A limit on the length of files stands for a full disk: both refuse to write on."""
    shop.write(tmp_path)
    with Workspace.open(tmp_path) as ws:
        ws.collect("visits", until="2026-01-15")
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", sys.executable, "-m", "mulle.cli"]
    words = ["-C", str(tmp_path), "data", "collect", "visits", "--until", "2026-04-23", "--json"]
    done = subprocess.run([*limited, *words], check=False, capture_output=True, text=True, timeout=240)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "free space" in json.loads(done.stdout.splitlines()[-1])["cure"]
    must(tmp_path, "data", "collect", "visits", "--until", "2026-04-23")
    assert must(tmp_path, "data", "verify")["damaged"] == []
    assert [each["rows"] for each in must(tmp_path, "data", "log", "visits")] == [336 * n for n in range(16, 0, -1)]


def test_two_processes_make_and_write_one_workspace(tmp_path: Path) -> None:
    shop.write(tmp_path)
    (tmp_path / "more.csv").write_text("x\n1\n2\n")
    names = ["one", "two", "one", "two"]
    command = [sys.executable, "-m", "mulle.cli", "-C", str(tmp_path), "data", "commit"]
    writers = [subprocess.Popen([*command, name, str(tmp_path / "more.csv")], stderr=-1, text=True) for name in names]
    errors = [writer.communicate(timeout=60)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, errors
    with Workspace.open(tmp_path) as ws:
        assert {name: len(ws.data.log(name)) for name in names} == {"one": 1, "two": 1}
        assert ws.audit.verify().count >= 2
