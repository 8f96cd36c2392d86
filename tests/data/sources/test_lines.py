from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mulle
import mulle.data as api
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService
from mulle.errors import DataError, SchemaSkewError
from mulle.testing.memory_store import MemoryStore


def numbers(data: DataService, name: str = "rows") -> list[int]:
    found: list[int] = data.read(name)["n"].to_list()
    return found


class Log:
    """A log whose lines count up: `{"n": 0}`, `{"n": 1}` …"""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = itertools.count()

    def write(self, lines: int) -> None:
        with self.path.open("a") as file:
            file.writelines(f'{{"n": {next(self.count)}}}\n' for _ in range(lines))

    def rotate(self, to: str = "app.log.1") -> None:
        self.path.rename(self.path.with_name(to))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path / "app.log")
    made.write(3)
    return made


def test_new_lines_are_taken_once(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    assert (collect(source), collect(source)) == ([3], [])
    log.write(2)
    assert (collect(source), collect(source)) == ([5], [])
    assert numbers(data) == [0, 1, 2, 3, 4]


def test_a_line_counts_when_its_end_is_there(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    with log.path.open("a") as file:
        file.write('{"n"')
    assert collect(source) == [3]
    with log.path.open("a") as file:
        file.write(": 3}\n")
    assert collect(source) == [4]


def test_a_batch_has_so_many_lines_at_most(collect: Any, data: DataService, log: Log) -> None:
    log.write(4)
    assert collect(mulle.lines("app.log", batch=3)) == [3, 6, 7]
    assert data.head("rows").message == "1 line of app.log"


@pytest.mark.parametrize("name", ["app.log.1", "app.log-20240101", "app.1.log"])
def test_a_rotated_log_is_read_to_its_end_first(collect: Any, data: DataService, log: Log, name: str) -> None:
    source = mulle.lines("app.log")
    collect(source)
    log.write(2)
    log.rotate(name)
    log.write(2)
    collect(source)
    assert (numbers(data), collect(source)) == (list(range(7)), [])


def test_a_log_rotated_several_times_between_two_looks(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    collect(source)
    for turn in range(3):
        log.write(2)
        for number in range(turn, 0, -1):
            log.path.with_name(f"app.log.{number}").rename(log.path.with_name(f"app.log.{number + 1}"))
        log.rotate()
        for number in range(1, turn + 2):
            os.utime(log.path.with_name(f"app.log.{number}"), (10_000 - number, 10_000 - number))
    log.write(1)
    collect(source)
    assert numbers(data) == list(range(10))


def test_a_log_that_is_rotated_and_not_there_yet(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    collect(source)
    log.write(1)
    log.rotate()
    assert collect(source) == [4]
    log.write(1)
    assert collect(source) == [5]


def test_a_log_copied_away_and_truncated_loses_nothing(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log", gone="error")
    collect(source)
    log.write(2)
    log.path.with_name("app.log.1").write_bytes(log.path.read_bytes())
    os.truncate(log.path, 0)
    log.write(10)
    collect(source)
    assert numbers(data) == list(range(15))


def test_a_truncated_log_goes_on_and_says_that_there_may_be_a_gap(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    collect(source)
    os.truncate(log.path, 0)
    log.write(1)
    collect(source)
    assert numbers(data) == [0, 1, 2, 3]
    assert data.head("rows").message == "1 line of app.log, after a gap"


def test_lines_that_may_be_lost_may_be_an_error(collect: Any, log: Log) -> None:
    source = mulle.lines("app.log", gone="error")
    collect(source)
    log.path.unlink()
    log.write(2)
    with pytest.raises(DataError, match="no longer has the lines that were read up to line 3"):
        collect(source)


def test_csv_with_its_header_in_every_file(collect: Any, data: DataService, tmp_path: Path) -> None:
    source = mulle.lines("x.csv")
    path = tmp_path / "x.csv"
    path.write_text("n,s\n1,a\n")
    collect(source)
    with path.open("a") as file:
        file.write("2,b\n")
    path.rename(tmp_path / "x.csv.1")
    path.write_text("s,n\nc,3\n")
    collect(source)
    assert data.read("rows").select("n", "s").rows() == [(1, "a"), (2, "b"), (3, "c")]


def test_csv_whose_columns_are_declared(collect: Any, data: DataService, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("1,a\n2,b\n")
    collect(mulle.lines("x.log", format="csv", columns=["n", "s"]))
    assert data.read("rows").rows() == [(1, "a"), (2, "b")]


def test_a_function_makes_rows_of_lines(collect: Any, data: DataService, tmp_path: Path) -> None:
    def parse(line: str) -> dict[str, Any] | None:
        if line.startswith("#"):
            return None
        name, value = line.split("=")
        return {"name": name, "n": int(value)}

    (tmp_path / "x.log").write_text("# a comment\na=1\nno\nb=2\n\nc=three\n")
    collect(mulle.lines("x.log", parse=parse))
    assert data.read("rows").rows() == [("a", 1), ("b", 2)]
    assert data.read("rows.quarantine").select("row", "source").rows() == [("no", "x.log:3"), ("c=three", "x.log:6")]


def test_lines_that_are_no_rows_are_put_aside_with_their_place(collect: Any, data: DataService, log: Log) -> None:
    source = mulle.lines("app.log")
    collect(source)
    with log.path.open("ab") as file:
        file.write(b'nonsense\n[1]\n{"n": "x"}\n{"n": 3, "m": 4}\n{"m": 4}\n\xff\n{"n": 4}\n')
    collect(source)
    assert numbers(data) == [0, 1, 2, 4]
    held = data.read("rows.quarantine")
    assert held["source"].to_list() == ["app.log:4", "app.log:5", "app.log:9", "app.log:7", "app.log:8", "app.log:6"]
    assert held["reason"].to_list()[1:] == [
        "it is no JSON object",
        "no UTF-8",
        "column 'm' is not among the dataset's",
        "column 'm' is not among the dataset's",
        "n: 'x' is not an integer",
    ]


def test_a_stream_whose_rows_have_all_changed_stops(collect: Any, log: Log) -> None:
    source = mulle.lines("app.log")
    collect(source)
    with log.path.open("a") as file:
        file.writelines(f'{{"n": "x{number}"}}\n' for number in range(60))
    with pytest.raises(SchemaSkewError, match="column 'n' is int, and every one of its 60 values is str"):
        collect(source)


def test_a_key_that_a_row_lacks_is_empty(collect: Any, data: DataService, tmp_path: Path) -> None:
    source = mulle.lines("x.jsonl")
    (tmp_path / "x.jsonl").write_text('{"n":1,"m":"a"}\n')
    collect(source)
    with (tmp_path / "x.jsonl").open("a") as file:
        file.write('{"n":2}\n')
    collect(source)
    assert data.read("rows")["m"].to_list() == ["a", None]


def test_a_file_that_is_not_there(collect: Any) -> None:
    with pytest.raises(DataError, match="there is no file"):
        collect(mulle.lines("nothing.log"))


class Piped(io.BytesIO):
    """Standard input in a test: no terminal, and no descriptor to wait for."""

    @property
    def buffer(self) -> Piped:
        return self


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda data: monkeypatch.setattr(sys, "stdin", Piped(data))


def test_standard_input_is_taken_to_its_end(collect: Any, data: DataService, piped: Any) -> None:
    piped(b'{"n":1}\n{"n":2}\n{"n":3}')
    assert collect(mulle.lines("-", batch=2)) == [2, 3]
    assert numbers(data) == [1, 2, 3]


def test_what_is_sent_again_is_taken_once_where_there_is_a_key(collect: Any, data: DataService, piped: Any) -> None:
    source = mulle.lines("-")
    piped(b'{"n":1,"v":"a"}\n{"n":2,"v":"b"}\n')
    collect(source, key=["n"])
    piped(b'{"n":1,"v":"a"}\n{"n":2,"v":"other"}\n{"n":3,"v":"c"}\n')
    collect(source, key=["n"])
    assert data.read("rows").rows() == [(1, "a"), (2, "b"), (3, "c")]
    assert data.read("rows.quarantine")["reason"].to_list() == ["the key n is there already"]


def test_standard_input_that_is_a_keyboard_is_refused(collect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Piped()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    with pytest.raises(DataError, match="nothing is piped"):
        collect(mulle.lines("-"))


SCRIPT = """
import sys
from pathlib import Path
import mulle, mulle.data as api, mulle.data.tables
from mulle.catalog import Catalog
from mulle.clock import ClockIds, SystemClock
from mulle.data import DataService
from mulle.store import LocalStore
folder, clock = Path(sys.argv[1]), SystemClock()
catalog = Catalog.open(folder / "catalog.db", clock, ClockIds(clock), durable=False)
data = DataService(catalog, LocalStore(folder, durable=False))
definition = api.dataset("rows", source=mulle.lines("-", every="100ms"))
for version in data.follow(definition, until=clock.now()):
    print(version.rows, flush=True)
"""


def test_a_pipe_that_pauses_gives_what_came_after_a_while(tmp_path: Path) -> None:
    clock = SystemClock()
    Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False).close()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = []
        for number in (1, 2):
            process.stdin.write(f'{{"n": {number}}}\n')
            process.stdin.flush()
            seen.append(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait() == 0
    assert seen == [1, 2]


def test_a_file_is_followed_until_told_to_stop(tmp_path: Path, log: Log) -> None:
    clock = SystemClock()
    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as catalog:
        data = DataService(catalog, MemoryStore(), tmp_path)
        pauses: Iterator[int] = itertools.count()

        def stopped(seconds: float) -> bool:
            assert seconds == 0.01
            log.write(1)
            return next(pauses) == 3

        definition = api.dataset("rows", source=mulle.lines("app.log", every="10ms"))
        assert [version.rows for version in data.follow(definition, stopped=stopped)] == [3, 4, 5, 6]


def test_a_writer_that_writes_and_rotates_all_the_while_loses_nothing(tmp_path: Path) -> None:
    log, clock = Log(tmp_path / "app.log"), SystemClock()
    done = threading.Event()

    def write() -> None:
        for turn in range(40):
            log.write(25)
            if turn % 4 == 3:
                log.rotate(f"app.log.{turn:04}")
        log.write(25)
        done.set()

    with Catalog.create(tmp_path / "catalog.db", clock, ClockIds(clock), durable=False) as catalog:
        data = DataService(catalog, MemoryStore(), tmp_path)
        definition = api.dataset("rows", source=mulle.lines("app.log", gone="error", batch=7, every="1ms"))
        log.write(1)
        data.collect(definition, clock.now())
        writer = threading.Thread(target=write)
        writer.start()
        for _ in data.follow(definition, stopped=done.wait):
            pass
        writer.join()
        data.collect(definition, clock.now())
        assert numbers(data) == list(range(41 * 25 + 1))
