"""The project that `mulle init` writes: it imports, it is readable, and nothing is written when anything is wrong."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from sklearn import datasets

from mulle.config import load as load_settings
from mulle.definitions import Definitions
from mulle.errors import DataError, MulleError, UsageError
from mulle.workspace.project import load
from mulle.workspace.scaffold import Scaffold, init


def definitions(written: Scaffold) -> Definitions:
    return load(load_settings(written.path)).definitions


def csv(folder: Path, text: str = "", name: str = "rows.csv") -> Path:
    lines = "".join(f"{index},{index % 7},{index % 2}\n" for index in range(100))
    path = folder / name
    path.write_text(text or f"x,z,y\n{lines}")
    return path


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_the_data_sets_of_scikit_learn(tmp_path: Path, name: str) -> None:
    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    frame.to_csv(tmp_path / f"{name}.csv", index=False)
    written = init(tmp_path / "project", name=name, data=tmp_path / f"{name}.csv", target="target", key=[])
    assert list(definitions(written).all("pipeline")) == [name]


def test_without_data_a_sample_is_written(tmp_path: Path) -> None:
    written = init(tmp_path / "shop", key=[])
    found = definitions(written)
    kinds = {kind: list(found.all(kind)) for kind in ("dataset", "feature_view", "pipeline", "deployment")}
    assert kinds == {"dataset": ["bicycles"], "feature_view": ["recent"], "pipeline": ["shop"], "deployment": ["shop"]}


def test_the_same_input_gives_the_same_project(tmp_path: Path) -> None:
    first, second = (init(tmp_path / name, name="same", key=[]) for name in ("a", "b"))
    assert all((first.path / file).read_bytes() == (second.path / file).read_bytes() for file in first.files)


def test_the_project_is_short_enough_to_read(tmp_path: Path) -> None:
    written = init(tmp_path / "shop", key=[])
    source = (written.path / "project.py").read_text()
    assert max(map(len, source.splitlines())) <= 120
    assert len(source.splitlines()) < 150
    assert ast.get_docstring(ast.parse(source))


def test_the_example_is_a_request(tmp_path: Path) -> None:
    written = init(tmp_path / "p", data=csv(tmp_path), target="y", key=[])
    (row,) = json.loads((written.path / "example.json").read_text())
    assert set(row) == {"x", "z"}


def test_a_name_that_the_file_uses_is_avoided(tmp_path: Path) -> None:
    written = init(tmp_path / "train", data=csv(tmp_path), target="y", key=[])
    assert written.pipeline == "train_model"
    assert list(definitions(written).all("pipeline")) == ["train_model"]


def test_names_in_korean(tmp_path: Path) -> None:
    rows = "".join(f"{index},{'서울' if index % 3 else '부산'},{index % 5}\n" for index in range(60))
    written = init(tmp_path / "집값", data=csv(tmp_path, f"면적 (㎡),도시,값\n{rows}", "집.csv"), target="값", key=[])
    assert list(definitions(written).all("dataset")) == ["집"]


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        init(tmp_path, key=[])


def test_a_project_is_not_overwritten(tmp_path: Path) -> None:
    init(tmp_path / "p", key=[])
    with pytest.raises(UsageError, match="already holds a project"):
        init(tmp_path / "p", key=[])


@pytest.mark.parametrize(
    ("target", "time", "key", "error"),
    [("", "", [], UsageError), ("late", "", [], UsageError), ("y", "x", [], DataError), ("y", "", ["z"], DataError)],
)
def test_nothing_is_written_when_anything_is_wrong(
    tmp_path: Path, target: str, time: str, key: list[str], error: type[MulleError]
) -> None:
    with pytest.raises(error):
        init(tmp_path / "p", data=csv(tmp_path), target=target, time=time, key=key)
    assert not (tmp_path / "p").exists()


def test_columns_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="need a file"):
        init(tmp_path / "p", target="y", key=[])
