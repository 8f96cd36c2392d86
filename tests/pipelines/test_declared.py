"""What a step declares to read counts for its memo, and a hit requires that its outputs are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pipelines.drive import Site

from mulle.errors import PipelineError, UsageError
from mulle.pipelines import step

Make = Callable[..., Site]

READS = """
import os
from pathlib import Path
import mulle

HERE = Path(__file__).parent

@mulle.step(environ=["RATE"], files=["conf/*.txt"])
def read() -> str:
    return os.environ.get("RATE", "none") + "".join(path.read_text() for path in sorted(HERE.glob("conf/*.txt")))

@mulle.step
def other() -> int:
    return 1

@mulle.pipeline
def main():
    return read(), other()
"""


def executed(site: Site) -> list[str]:
    return [each.name for each in site.run().steps if each.status == "executed"]


@pytest.fixture
def made(site: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv("RATE", raising=False)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.txt").write_text("one")
    opened = site(project=READS)
    assert executed(opened) == ["read", "other"]
    return opened


def test_nothing_changed_runs_nothing(made: Site) -> None:
    assert executed(made) == []


def test_another_value_of_a_variable_runs_who_declares_it(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "0.1")
    assert executed(made) == ["read"]
    monkeypatch.setenv("RATE", "")
    assert executed(made) == ["read"]
    monkeypatch.delenv("RATE")
    assert executed(made) == []


def test_another_content_of_a_file_runs_who_declares_it(made: Site) -> None:
    (made.root / "conf" / "a.txt").write_text("two")
    assert executed(made) == ["read"]


def test_another_file_of_a_pattern_counts(made: Site) -> None:
    (made.root / "conf" / "b.txt").write_text("")
    assert executed(made) == ["read"]


def test_a_declared_file_that_is_not_there_is_told_before_anything_runs(made: Site) -> None:
    (made.root / "conf" / "a.txt").unlink()
    with pytest.raises(PipelineError, match=r"there is no file 'conf/\*\.txt'"):
        made.run()


def test_a_text_where_a_list_is_wanted_is_refused() -> None:
    with pytest.raises(UsageError, match=r"takes a list"):
        step(files="conf.txt")


LARGE = """
import mulle

@mulle.step
def make() -> bytes:
    return b"x" * 3_000_000

@mulle.step
def count(data: bytes) -> int:
    return len(data)

@mulle.pipeline
def main():
    return count(make())
"""


def test_a_lost_output_is_computed_anew(site: Make) -> None:
    made = site(project=LARGE)
    assert executed(made) == ["make", "count"]
    for path in (made.workspace / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.unlink()
    assert executed(made) == ["make"]
    assert executed(made) == []
