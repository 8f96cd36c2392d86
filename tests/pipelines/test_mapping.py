"""Steps mapped over partitions and lists: which run, what comes out, what is told of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipelines.drive import Site

from mulle.catalog.lineage import walk
from mulle.errors import DataError, PipelineError, StepFailedError

Make = Callable[..., Site]

TABLE = """
import mulle
import polars as pl

things = mulle.dataset("things")

@mulle.step
def total(rows: mulle.Table, scale: int = 1) -> mulle.Table:
    return rows.group_by("kind").agg(pl.col("value").sum() * scale)

@mulle.step
def count(tables: list) -> int:
    return sum(table.height for table in tables)

@mulle.pipeline
def main(scale: int = 1):
    totals = total.map(mulle.partitions(things, by="kind"), scale=scale)
    return {"union": mulle.union(totals), "count": count(totals)}
"""
FILES = """
import mulle
from pathlib import Path

things = mulle.dataset("things")

@mulle.step
def upper(folder: Path) -> Path:
    import tempfile
    out = Path(tempfile.mkdtemp())
    for path in folder.rglob("*"):
        if path.is_file():
            target = out / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().upper())
    return out

@mulle.step
def clash(folder: Path) -> Path:
    import tempfile
    out = Path(tempfile.mkdtemp())
    (out / "same.txt").write_text("x")
    return out

@mulle.pipeline
def main():
    return mulle.union(mulle.map(upper, mulle.partitions(things, glob="*/")))

@mulle.pipeline
def clashing():
    return mulle.union(clash.map(mulle.partitions(things, glob="*/")))
"""


def things(**values: list[int]) -> pl.DataFrame:
    rows = [(kind, value) for kind, each in values.items() for value in each]
    return pl.DataFrame(rows, schema={"kind": pl.String, "value": pl.Int64}, orient="row")


def executed(result: Any) -> list[str]:
    return [step.name for step in result.steps if step.status == "executed"]


def united(site: Site, result: Any) -> dict[str, int]:
    return dict(site.controller.value(result.outputs["union"]).iter_rows())


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_a_step_runs_once_for_each_partition(site: Make, kind: str) -> None:
    made = site(kind, project=TABLE)
    made.data.commit("things", things(a=[1, 2], b=[3]))
    result = made.run().check()
    assert executed(result) == ["total[kind=a]", "total[kind=b]", "union", "count"]
    assert united(made, result) == {"a": 3, "b": 3}
    assert made.controller.value(result.outputs["count"]) == 2


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_only_a_changed_partition_runs_again(site: Make, kind: str) -> None:
    made = site(kind, project=TABLE)
    made.data.commit("things", things(a=[1, 2], b=[3]))
    made.run().check()
    made.data.commit("things", things(b=[4]), append=True)
    result = made.run().check()
    assert executed(result) == ["total[kind=b]", "union", "count"]
    assert united(made, result) == {"a": 3, "b": 7}


def test_a_partition_that_is_gone_takes_its_output_with_it(site: Make) -> None:
    made = site(project=TABLE)
    made.data.commit("things", things(a=[1, 2], b=[3]))
    made.run().check()
    made.data.commit("things", things(b=[3]))
    result = made.run().check()
    assert executed(result) == ["union", "count"]
    assert united(made, result) == {"b": 3}


def test_another_argument_runs_all_again(site: Make) -> None:
    made = site(project=TABLE)
    made.data.commit("things", things(a=[1], b=[3]))
    made.run().check()
    assert len(executed(made.run(scale=2).check())) == 4


def test_a_version_with_the_same_rows_runs_nothing(site: Make) -> None:
    made = site(project=TABLE)
    made.data.commit("things", things(a=[1], b=[3]))
    made.run().check()
    made.data.commit("things", things(a=[1]))
    made.data.commit("things", things(b=[3]), append=True)
    assert executed(made.run().check()) == []


def test_lineage_leads_from_a_partition_to_its_version(site: Make) -> None:
    made = site(project=TABLE)
    made.data.commit("things", things(a=[1], b=[3]))
    result = made.run().check()
    step = next(step for step in result.steps if step.name == "total[kind=a]")
    with made.catalog.read() as tx:
        found = walk(tx, f"step_run:{step.step_run}", "up")
    assert "dataset:things@1" in str(found)
    assert "read kind=a" in str(found)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def read(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_folders_are_united_in_one(site: Make, tmp_path: Path, kind: str) -> None:
    made = site(kind, project=FILES)
    folder = write(tmp_path / "things", {"a/1.txt": "one", "b/2.txt": "two", "b/deep/3.txt": "three"})
    made.data.commit("things", folder)
    result = made.run("main").check()
    found = made.controller.value(result.outputs["result"])
    assert read(found) == {"a/1.txt": "ONE", "b/2.txt": "TWO", "b/deep/3.txt": "THREE"}
    write(folder, {"b/2.txt": "new"})
    made.data.commit("things", folder)
    result = made.run("main").check()
    assert executed(result) == ["upper[b/]", "union"]
    assert read(made.controller.value(result.outputs["result"]))["b/2.txt"] == "NEW"


def test_two_partitions_that_write_one_path_are_named(site: Make, tmp_path: Path) -> None:
    made = site(project=FILES)
    made.data.commit("things", write(tmp_path / "things", {"a/1.txt": "one", "b/2.txt": "two"}))
    with pytest.raises(StepFailedError, match=r"'clash\[a/\]' and 'clash\[b/\]' both wrote 'same.txt'"):
        made.run("clashing").check()


def test_a_union_of_nothing_is_told(site: Make, tmp_path: Path) -> None:
    made = site(project=FILES)
    made.data.commit("things", write(tmp_path / "things", {"top.txt": "one"}))
    with pytest.raises(StepFailedError, match="takes tables, or files and folders"):
        made.run("main").check()


LIST = """
import mulle

@mulle.step
def divide(a: int, b: int = 2) -> tuple[int, int]:
    return a // b, a % b

@mulle.step
def add(numbers: list, more: int = 0) -> int:
    return sum(numbers) + more

@mulle.pipeline
def main():
    wholes, rests = divide.map([7, 8, add([1, 2])], b=3)
    return {"wholes": add(wholes), "rests": add(rests, more=1)}

@mulle.pipeline
def wrong():
    return add.map(1)
"""


def test_a_step_is_mapped_over_a_list(site: Make) -> None:
    made = site(project=LIST)
    result = made.run("main").check()
    assert executed(result) == ["add", "divide[0]", "divide[1]", "divide[2]", "add-2", "add-3"]
    values = {name: made.controller.value(ref) for name, ref in result.outputs.items()}
    assert values == {"wholes": 2 + 2 + 1, "rests": 1 + 2 + 0 + 1}


def test_what_is_no_list_is_not_mapped_over(site: Make) -> None:
    made = site(project=LIST)
    with pytest.raises(PipelineError, match="cannot be mapped over int"):
        made.run("wrong")


def test_outside_a_pipeline_a_mapped_step_is_a_loop(site: Make) -> None:
    made = site(project=LIST)
    module = sys.modules["project"]
    assert module.divide.map([7, 8], b=3) == ([2, 2], [1, 2])
    assert made.project.definitions is not None


EDIT = st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EDIT.filter(bool), min_size=2, max_size=5))
def test_what_runs_is_what_changed_and_the_result_is_that_of_a_full_run(
    site: Make, edits: list[dict[str, list[int]]]
) -> None:
    made = site(project=TABLE)
    seen: set[tuple[str, tuple[int, ...]]] = set()
    with made.catalog.write() as tx:
        for name in ("memo", "branch", "dataset", "dataset_version"):
            tx.execute(sqlalchemy.text(f"delete from {name}"))
    for edit in edits:
        made.data.commit("things", things(**edit))
        result = made.run().check()
        states = {(kind, tuple(values)) for kind, values in edit.items()}
        assert {name for name in executed(result) if name.startswith("total")} == {
            f"total[kind={kind}]" for kind, _ in states - seen
        }
        assert united(made, result) == {kind: sum(values) for kind, values in edit.items()}
        seen |= states
    made.close()


COMMIT = """
import mulle
import polars as pl

things = mulle.dataset("things")
totals = mulle.dataset("totals", key=["kind"])

@mulle.step
def total(rows: mulle.Table) -> mulle.Table:
    return rows.group_by("kind").agg(pl.col("value").sum())

@mulle.step
def one() -> int:
    return 1

@mulle.pipeline
def main():
    mulle.commit(totals, mulle.union(total.map(mulle.partitions(things, by="kind"))), "totals by kind")

@mulle.pipeline
def wrong():
    mulle.commit("numbers", one())
"""


def test_what_comes_out_is_committed_once(site: Make) -> None:
    made = site(project=COMMIT)
    made.data.commit("things", things(a=[1, 2], b=[3]))
    first = made.run("main").check()
    again = made.run("main").check()
    assert (executed(first)[-1], executed(again)) == ("commit-totals", [])
    assert [version.message for version in made.data.log("totals")] == ["totals by kind"]
    assert (made.data.show("totals").key, made.data.read("totals")["value"].to_list()) == (["kind"], [3, 3])


def test_a_change_of_one_partition_is_a_new_version(site: Make) -> None:
    made = site(project=COMMIT)
    made.data.commit("things", things(a=[1, 2], b=[3]))
    made.run("main").check()
    made.data.commit("things", things(a=[5]), append=True)
    made.run("main").check()
    assert made.data.read("totals@2")["value"].to_list() == [8, 3]


def test_lineage_leads_from_what_was_committed_to_what_it_was_made_of(site: Make) -> None:
    made = site(project=COMMIT)
    made.data.commit("things", things(a=[1], b=[3]))
    made.run("main").check()
    with made.catalog.read() as tx:
        assert "dataset:things@1" in str(walk(tx, "dataset:totals@1", "up"))


SHOUT = """
@mulle.pipeline
def shout():
    mulle.commit("loud", mulle.union(upper.map(mulle.partitions(things, glob="*/"))))
"""


def test_a_folder_is_committed(site: Make, tmp_path: Path) -> None:
    made = site(project=FILES + SHOUT)
    made.data.commit("things", write(tmp_path / "things", {"a/1.txt": "one", "b/2.txt": "two"}))
    made.run("shout").check()
    made.data.checkout("loud", tmp_path / "out")
    assert read(tmp_path / "out") == {"a/1.txt": "ONE", "b/2.txt": "TWO"}


def test_what_is_no_table_is_not_committed(site: Make) -> None:
    made = site(project=COMMIT)
    with pytest.raises(StepFailedError, match="takes the data that a step returned"):
        made.run("wrong").check()


ODD = """
import mulle
import polars as pl

things = mulle.dataset("things")

@mulle.step
def odd(rows: mulle.Table) -> mulle.Table:
    return rows.rename({"value": rows["kind"][0]})

@mulle.pipeline
def main():
    return mulle.union(odd.map(mulle.partitions(things, by="kind")))
"""


def test_tables_of_different_columns_are_not_united(site: Make) -> None:
    made = site(project=ODD)
    made.data.commit("things", things(a=[1], b=[3]))
    with pytest.raises(StepFailedError, match=r"'odd\[kind=a\]' and 'odd\[kind=b\]' gave tables of different columns"):
        made.run().check()


def test_a_column_that_is_not_there_is_told_before_anything_runs(site: Make) -> None:
    made = site(project=ODD.replace('by="kind"', 'by="sort"'))
    made.data.commit("things", things(a=[1], b=[3]))
    with pytest.raises(DataError, match="has no column 'sort' to be split by"):
        made.run()
