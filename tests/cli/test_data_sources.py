"""`mulle data collect` and `quarantine`, from the prompt."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.said import Mulle

PROJECT = """
import mulle

class Visit(mulle.Schema):
    n: int = mulle.column(minimum=0)

visits = mulle.dataset("visits", source=mulle.lines("visits.jsonl"), expect=Visit)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shop(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "shop.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (id integer, price real, at text)")
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(n, n / 2, f"2024-01-0{n + 1}") for n in range(3)])
    return connection


SQL = ("data", "collect", "orders", "--from", "sqlite:///shop.db", "--rows", "orders")


def test_a_table_is_collected_without_a_project(mulle: Mulle, shop: sqlite3.Connection) -> None:
    first = mulle(*SQL, "--cursor", "at", "--key", "id", "--time", "at", "--json")
    assert (first.code, [each["rows"] for each in first.json]) == (0, [3])
    assert mulle(*SQL, "--cursor", "at").out == "nothing new\n"
    shop.execute("UPDATE orders SET price = 9, at = '2024-01-09' WHERE id = 0")
    changed = mulle(*SQL, "--cursor", "at", "--json").json
    assert [each["rows"] for each in changed] == [3]
    stands = mulle("data", "show", "orders", "--json").json["collected"]
    assert (stands["kind"], stands["cursor"], stands["held"]) == ("sql", "at 2024-01-09", 0)


def test_a_table_may_follow_the_address(mulle: Mulle, shop: sqlite3.Connection) -> None:
    said = mulle("data", "collect", "orders", "--from", "sqlite:///shop.db#orders", "--cursor", "id", "--json")
    assert said.json[0]["rows"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["orders", "--cursor", "at"], "--cursor is for --from ADDRESS"),
        (["--from", "x.csv"], "which dataset?"),
        (["orders", "--from", "x.csv", "--cursor", "at"], "has no cursor"),
        (["orders", "--from", "sqlite:///shop.db"], "which rows of the database?"),
        (["orders", "--from", "sqlite:///shop.db", "--rows", "orders", "--on-bad", "drop"], "--on-bad"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    mulle: Mulle, shop: sqlite3.Connection, arguments: list[str], told: str
) -> None:
    said = mulle("data", "collect", *arguments)
    assert said.code == 2
    assert told in said.err


def test_what_fails_is_told_with_its_cure(mulle: Mulle, shop: sqlite3.Connection) -> None:
    said = mulle(*SQL[:-1], "order", "--cursor", "at")
    assert said.code == 1
    assert "did you mean 'orders'?" in said.err


def test_a_glob_grows(mulle: Mulle, folder: Path) -> None:
    (folder / "1.csv").write_text("a\n1\n")
    assert mulle("data", "collect", "rows", "--from", "*.csv", "--json").json[0]["rows"] == 1
    (folder / "2.csv").write_text("a\n2\n")
    assert mulle("data", "collect", "rows", "--from", "*.csv", "--json").json[0]["rows"] == 2
    assert mulle("data", "log", "rows").out.count("\n") == 3


def test_rows_that_do_not_fit_are_looked_at_and_released(mulle: Mulle, folder: Path) -> None:
    (folder / "mulle.toml").write_text("[project]\n")
    (folder / "project.py").write_text(PROJECT)
    (folder / "visits.jsonl").write_text('{"n":1}\n{"n":-1}\nno\n')
    collected = mulle("data", "collect", "visits")
    assert "2 rows are held back: mulle data quarantine visits" in collected.out
    shown = mulle("data", "quarantine", "visits", "--json").json
    assert [each["reason"].partition(":")[0] for each in shown] == ["no JSON", "n is below 0"]
    (folder / "project.py").write_text(PROJECT.replace("minimum=0", "minimum=-5"))
    said = mulle("data", "quarantine", "visits", "--release", "--reason", "they come back")
    assert said.out == "1 released into visits@2, 1 still held back\n"
    assert mulle("data", "quarantine", "nothing").code == 2


def test_all_sources_of_a_project_are_collected(mulle: Mulle, folder: Path) -> None:
    (folder / "mulle.toml").write_text("[project]\n")
    (folder / "project.py").write_text(PROJECT)
    (folder / "visits.jsonl").write_text('{"n":1}\n')
    assert mulle("data", "collect", "--json").json[0]["dataset"] == "visits"


def test_a_source_is_taken_anew(mulle: Mulle, folder: Path) -> None:
    (folder / "1.csv").write_text("a\n1\n")
    (folder / "2.csv").write_text("a\n2\n3\n")
    mulle("data", "collect", "rows", "--from", "1.csv")
    assert mulle("data", "collect", "rows", "--from", "2.csv").code == 1
    assert mulle("data", "collect", "rows", "--from", "2.csv", "--anew", "--json").json[0]["rows"] == 2


def test_a_file_is_followed_until_ctrl_c_and_nothing_is_lost(folder: Path) -> None:
    path = folder / "visits.jsonl"
    path.write_text('{"n":0}\n')
    command = [sys.executable, "-m", "mulle.cli", "data", "collect", "visits", "--from", "visits.jsonl", "--follow"]
    command.append("--json")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    rows = []
    for number in range(3):
        rows.append(process.stdout.readline().count('"number":'))
        with path.open("a") as file:
            file.write(f'{{"n":{number + 1}}}\n')
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert rows == [1, 1, 1]
    assert "Traceback" not in errors
    done = subprocess.run([*command, "--until", "2000-01-01"], capture_output=True, text=True, cwd=folder, check=True)
    assert '"rows":4' in done.stdout


def test_a_pipe_is_collected(folder: Path) -> None:
    command = [sys.executable, "-m", "mulle.cli", "data", "collect", "events", "--from", "-", "--key", "n", "--json"]
    for text in ('{"n":1}\n{"n":2}\n', '{"n":2}\n{"n":3}'):
        done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=folder, check=True)
    assert '"rows":3' in done.stdout


def test_following_ends_at_an_instant(mulle: Mulle, folder: Path) -> None:
    (folder / "visits.jsonl").write_text('{"n":0}\n')
    began = time.monotonic()
    said = mulle("data", "collect", "visits", "--from", "visits.jsonl", "--follow", "--until", "2000-01-01")
    assert said.code == 0
    assert time.monotonic() - began < 30
    assert said.out == "visits@1: 1 rows, 1 line of visits.jsonl\n"


def test_what_happens_to_removed_files_is_said_at_the_prompt(mulle: Mulle, folder: Path) -> None:
    for name in "12":
        (folder / f"{name}.csv").write_text(f"a\n{name}\n")
    command = ("data", "collect", "rows", "--from", "*.csv")
    mulle(*command)
    (folder / "1.csv").unlink()
    assert 'removed="keep"' in mulle(*command).err
    assert mulle(*command, "--removed", "replace", "--json").json[0]["rows"] == 1
