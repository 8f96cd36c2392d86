"""Steps that are commands: of the shell, and of R where it is installed."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.pipelines.drive import Site
from tests.pipelines.generated import Generated

import mulle
from mulle.errors import PipelineError, StepFailedError, UsageError
from mulle.pipelines import RunService, family, running

Make = Callable[..., Site]
needs_r = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: sh scripts/install_r.sh")

SORTS = """
import polars as pl
import mulle
from pathlib import Path

sort = mulle.command(
    ["sh", "sort.sh", "{column}", "{rows}", "{sorted}"],
    inputs={"rows": "rows.csv"},
    outputs={"sorted": "sorted.csv"},
    params={"column": 1},
    name="sort",
)
split = mulle.command(
    ["sh", "-c", "head -n 1 {text} > {head}; tail -n +2 {text} > {tail}; echo split >&2"],
    inputs={"text": "text.txt"},
    outputs={"head": "out/head.txt", "tail": "out/tail.txt"},
    name="split",
)


@mulle.step
def rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({"a": [3, 1, 2][:n], "b": [1, 2, 3][:n]})


@mulle.step
def text(path: Path) -> str:
    return path.read_text()


@mulle.pipeline
def main(n: int = 3, column: int = 1):
    return text(sort(rows(n), column=column))


@mulle.pipeline
def two():
    found = split("first\\nsecond\\n")
    head, _ = found
    return text(head), text(found.tail)


@mulle.pipeline
def mapped():
    return [text(each) for each in [sort(rows(1)), sort(rows(2))]]
"""
SORT = """
head -n 1 "$2" > "$3"
tail -n +2 "$2" | sort -t , -k "$1" -n >> "$3"
echo "sorted by $1"
"""


@pytest.fixture
def sorts(site: Make, tmp_path: Path) -> Callable[..., Site]:
    def make(kind: str = "in-process", **files: str) -> Site:
        (tmp_path / "sort.sh").write_text(SORT)
        return site(kind, **({"project": SORTS} | files))

    return make


def _value(made: Site, result: Any) -> Any:
    result.check()
    values = {name: made.controller.value(ref) for name, ref in result.outputs.items()}
    return values["result"] if set(values) == {"result"} else values


@pytest.mark.parametrize("kind", ["in-process", pytest.param("process", marks=pytest.mark.slow)])
def test_a_table_goes_in_and_a_file_comes_out(sorts: Make, kind: str) -> None:
    made = sorts(kind)
    assert _value(made, made.run("main")) == "a,b\n1,2\n2,3\n3,1\n"


def test_what_it_prints_is_its_log(sorts: Make) -> None:
    made = sorts()
    result = made.run("main")
    service = RunService(catalog=made.catalog, workspace=made.workspace)
    assert [line.text for line in service.logs(result.steps[1].step_run)] == ["sorted by 1"]


def test_parameters_are_filled_in(sorts: Make) -> None:
    made = sorts()
    assert _value(made, made.run("main", column=2)) == "a,b\n3,1\n1,2\n2,3\n"


def test_several_outputs_are_a_tuple(sorts: Make) -> None:
    made = sorts()
    assert _value(made, made.run("two")) == {"0": "first\n", "1": "second\n"}


def test_it_is_known_again_until_its_script_changes(sorts: Make, tmp_path: Path) -> None:
    made = sorts()
    made.run("main")
    assert made.run("main").steps_executed == 0
    (tmp_path / "sort.sh").write_text(SORT.replace("-n >>", "-n -r >>"))
    again = made.run("main")
    assert [step.status for step in again.steps] == ["cached", "executed", "executed"]
    assert _value(made, again) == "a,b\n3,1\n2,3\n1,2\n"


def test_another_edit_of_the_project_runs_nothing(sorts: Make, tmp_path: Path) -> None:
    made = sorts()
    made.run("main")
    made.close()
    again = sorts(project=SORTS + "\n\n@mulle.pipeline\ndef other():\n    return rows(1)\n")
    assert again.run("main").steps_executed == 0


def test_it_is_mapped_like_any_step(sorts: Make) -> None:
    made = sorts()
    assert _value(made, made.run("mapped")) == {"0": "a,b\n3,1\n", "1": "a,b\n1,2\n3,1\n"}


def _of(source: str) -> str:
    return f"import mulle\n\n{source}\n\n@mulle.pipeline\ndef main():\n    return work()\n"


def test_an_exit_status_is_a_failure_with_its_last_words(site: Make) -> None:
    made = site(project=_of('work = mulle.command(["sh", "-c", "echo it broke >&2; exit 3"], name="work")'))
    with pytest.raises(StepFailedError, match="ended with exit status 3") as caught:
        made.run().check()
    assert str(caught.value.cause) == "it broke"


def test_a_failure_may_be_tried_again(site: Make, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    shell = f"test -e {flag} || {{{{ touch {flag}; exit 1; }}}}"
    made = site(project=_of(f'work = mulle.command(["sh", "-c", {shell!r}], name="work", retries=1, backoff="10ms")'))
    assert made.run().status == "succeeded"


def test_an_output_that_is_missing_is_told(site: Make) -> None:
    made = site(project=_of('work = mulle.command(["sh", "-c", ": {out}"], outputs={"out": "a.txt"}, name="work")'))
    with pytest.raises(StepFailedError, match=r"did not write 'a\.txt'"):
        made.run().check()


def test_a_program_that_is_not_there_is_told(site: Make) -> None:
    made = site(project=_of('work = mulle.command(["no-such-program"], name="work")'))
    with pytest.raises(StepFailedError, match="there is no program 'no-such-program'"):
        made.run().check()


def test_a_script_that_is_not_declared_is_not_there(site: Make, tmp_path: Path) -> None:
    (tmp_path / "more.sh").write_text("echo more")
    made = site(project=_of('work = mulle.command(["sh", "-c", "sh more.sh"], name="work")'))
    assert made.run().status == "failed"


def test_further_files_are_declared(site: Make, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "more.sh").write_text("echo more")
    made = site(project=_of('work = mulle.command(["sh", "-c", "sh lib/more.sh"], files=["lib/*.sh"], name="work")'))
    assert made.run().status == "succeeded"
    assert made.run().steps_executed == 0
    (tmp_path / "lib" / "more.sh").write_text("echo less")
    assert made.run().steps_executed == 1


@pytest.mark.parametrize("kind", ["in-process", pytest.param("process", marks=pytest.mark.slow)])
def test_a_timeout_ends_it(site: Make, kind: str) -> None:
    made = site(kind, project=_of('work = mulle.command(["sleep", "600"], name="work", timeout="500ms")'))
    began = time.monotonic()
    result = made.run()
    assert result.failure is not None
    assert "longer than its timeout" in result.failure["error"]
    assert time.monotonic() - began < 20


def test_no_folder_is_left_behind(sorts: Make, tmp_path: Path) -> None:
    sorts().run("main")
    assert list((tmp_path / ".mulle" / "tmp" / "steps").iterdir()) == []


def test_a_braced_word_is_a_parameter_and_two_braces_are_one() -> None:
    found = mulle.command(["awk", "{{ print ${column} }}", "{rows}"], inputs={"rows": "rows.csv"})
    assert list(found.signature.parameters) == ["rows", "column"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parts": []}, "a list of texts"),
        ({"parts": ["sh"], "outputs": {"out": "/etc/passwd"}}, "cannot have a file"),
        ({"parts": ["sh"], "inputs": {"rows": "../rows.csv"}}, "cannot have a file"),
        ({"parts": ["sh"], "inputs": {"rows": "a"}, "outputs": {"out": "a"}}, "names a file twice"),
        ({"parts": ["sh"], "params": {"n": 1}}, "has no parameter 'n'"),
        ({"parts": ["sh"], "outputs": {"the rows": "a"}}, "cannot have an input or output 'the rows'"),
    ],
)
def test_what_cannot_be_is_refused_at_once(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mulle.command(given.pop("parts"), **given)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.arrow", "rows.ndjson", "rows.tsv"])
def test_a_table_is_written_as_the_extension_says(tmp_path: Path, name: str) -> None:
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    running.write(table, tmp_path / name)
    read: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".parquet": pl.read_parquet,
        ".csv": pl.read_csv,
        ".arrow": pl.read_ipc,
        ".ndjson": pl.read_ndjson,
        ".tsv": lambda path: pl.read_csv(path, separator="\t"),
    }
    assert read[(tmp_path / name).suffix](tmp_path / name).equals(table)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be given to a command"):
        running.write(object(), tmp_path / "a.bin")


FIT = """
import polars as pl
import mulle
from pathlib import Path

fit = mulle.command(
    ["Rscript", "fit.R", "{rows}", "{model}", "{told}"],
    inputs={"rows": "rows.csv"},
    outputs={"model": "model.rds", "told": "told.csv"},
)
predict = mulle.command(
    ["Rscript", "predict.R", "{model}", "{x}", "{y}"],
    inputs={"model": "model.rds"},
    outputs={"y": "y.txt"},
)


@mulle.step
def rows() -> pl.DataFrame:
    return pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [3.0, 5.0, 7.0, 9.0]})


@mulle.step
def slope(told: Path) -> float:
    return round(pl.read_csv(told)["x"].item(), 9)


@mulle.step
def number(path: Path) -> float:
    return round(float(path.read_text()), 9)


@mulle.pipeline
def main(x: float = 10.0):
    model, told = fit(rows())
    return slope(told), number(predict(model, x=x))
"""
FIT_R = """
args <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(args[1])
model <- lm(y ~ x, rows)
saveRDS(model, args[2])
write.csv(as.data.frame(t(coef(model))), args[3], row.names = FALSE)
cat("fitted", nrow(rows), "rows\\n")
"""
PREDICT_R = """
args <- commandArgs(trailingOnly = TRUE)
y <- predict(readRDS(args[1]), data.frame(x = as.numeric(args[2])))
cat(y, file = args[3])
"""


@needs_r
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_r_fits_a_model_and_predicts(site: Make, tmp_path: Path, kind: str) -> None:
    (tmp_path / "fit.R").write_text(FIT_R)
    (tmp_path / "predict.R").write_text(PREDICT_R)
    made = site(kind, project=FIT)
    assert _value(made, made.run()) == {"0": 2.0, "1": 21.0}
    assert made.run().steps_executed == 0
    again = made.run(x=0.0)
    assert [step.name for step in again.steps if step.status == "executed"] == ["predict", "number"]
    service = RunService(catalog=made.catalog, workspace=made.workspace)
    assert [line.text for line in service.logs(again.steps[1].step_run)] == ["fitted 4 rows"]


@needs_r
@pytest.mark.slow
def test_an_error_of_r_is_told_in_its_own_words(site: Make, tmp_path: Path) -> None:
    (tmp_path / "work.R").write_text('stop("the rows are not sorted")')
    made = site(project=_of('work = mulle.command(["Rscript", "work.R"])'))
    with pytest.raises(StepFailedError, match="exit status 1") as caught:
        made.run().check()
    assert "the rows are not sorted" in str(caught.value.cause)


STARTS = """
import mulle
import polars

work = mulle.command(
    ["sh", "-c", "setsid sh -c 'echo $$ > {folder}/far; exec sleep 600' & echo $$ > {folder}/near; wait; sleep 600"],
    name="work",
)


@mulle.pipeline
def main(folder: str = ""):
    return work(folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("in-process", signal.SIGINT),
        ("in-process", signal.SIGKILL),
        ("in-process", signal.SIGTERM),
        ("process", signal.SIGINT),
    ],
)
def test_what_a_command_started_ends_with_its_run(tmp_path: Path, kind: str, how: signal.Signals) -> None:
    process = Generated(tmp_path, {"project": STARTS}).start("main", kind, f"folder={tmp_path}")
    end = time.monotonic() + 60
    while not all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in ("near", "far")):
        assert time.monotonic() < end
        time.sleep(0.01)
    pids = [int((tmp_path / name).read_text()) for name in ("near", "far")]
    process.send_signal(how)
    process.communicate(timeout=60)
    while [pid for pid in pids if (found := family.stat(pid)) is not None and found.state not in "ZX"]:
        assert time.monotonic() < end
        time.sleep(0.01)
