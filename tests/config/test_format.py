from pathlib import Path

import pytest

from mulle.config import check_format, write_format
from mulle.errors import CatalogError


def test_a_marked_folder_is_accepted(tmp_path: Path) -> None:
    write_format(tmp_path)
    check_format(tmp_path)


def test_nothing_but_the_mark_is_left(tmp_path: Path) -> None:
    write_format(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["format"]


def test_a_newer_workspace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("mulle-workspace 2\n")
    with pytest.raises(CatalogError, match="newer") as caught:
        check_format(tmp_path)
    assert caught.value.cure == "pip install --upgrade mulle"


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        check_format(tmp_path)
    assert caught.value.cure == "mulle init"


@pytest.mark.parametrize("content", [b"", b"something else\n", b"\xff\xff", b"mulle-workspace one\n"])
def test_a_damaged_mark_is_an_error_with_a_cure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "format").write_bytes(content)
    with pytest.raises(CatalogError) as caught:
        check_format(tmp_path)
    assert caught.value.cure
