from __future__ import annotations

from pathlib import Path

import pytest

from mulle.data.places import placed
from mulle.errors import UsageError
from mulle.verbs import acting


def test_a_path_given_here_is_taken_as_it_is(tmp_path: Path) -> None:
    assert placed("../x.csv", tmp_path) == Path("../x.csv")
    assert placed("~/x.csv") == Path.home() / "x.csv"


def test_a_path_from_afar_is_below_the_root(tmp_path: Path) -> None:
    with acting(far=True):
        assert placed("a/../b.csv", tmp_path) == tmp_path.resolve() / "b.csv"
        assert placed(tmp_path / "b.csv", tmp_path) == tmp_path.resolve() / "b.csv"


@pytest.mark.parametrize("path", ["../x.csv", "/etc/passwd", "a/../../x", "out/x"])
def test_a_path_from_afar_leads_nowhere_else(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    with acting(far=True), pytest.raises(UsageError, match="is not in the project"):
        placed(path, root)
