"""The files of a DVC repository."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mulle.data.doors import dvcfiles
from mulle.data.doors.dvcfiles import Content, Output
from mulle.errors import DataError

MD5 = "0123456789abcdef0123456789abcdef"


def one(text: str, path: str = "data/x.dvc", stages: str | None = None) -> Output:
    (found,) = dvcfiles.outputs(path, text.encode(), None if stages is None else stages.encode())
    return found


def test_an_output_lies_beside_its_file() -> None:
    assert one(f"outs:\n- md5: {MD5}\n  hash: md5\n  path: x\n") == Output("data/x", Content("md5", MD5))


def test_an_md5_of_dvc_2_is_one_of_normalised_text() -> None:
    assert one(f"outs:\n- md5: {MD5}\n  path: x\n").content.algorithm == "md5-dos2unix"


def test_an_output_may_lie_in_a_working_folder() -> None:
    assert one(f"wdir: ../raw\nouts:\n- md5: {MD5}\n  path: x\n").path == "raw/x"


def test_an_executable_is_one() -> None:
    assert one(f"outs:\n- md5: {MD5}\n  path: x\n  isexec: true\n").executable


@pytest.mark.parametrize("out", ["path: x", f"path: x\n  md5: {MD5}\n  cache: false", "path: x\n  md5: ''"])
def test_what_dvc_does_not_keep_is_left_out(out: str) -> None:
    assert dvcfiles.outputs("x.dvc", f"outs:\n- {out}\n".encode()) == []


def test_stages_work_in_the_folder_that_dvc_yaml_says() -> None:
    lock = f"schema: '2.0'\nstages:\n  a@1:\n    outs:\n    - path: x\n      md5: {MD5}\n      hash: md5\n"
    stages = "stages:\n  a:\n    foreach: [1]\n    do:\n      wdir: work\n"
    assert one(lock, "sub/dvc.lock", stages).path == "sub/work/x"
    assert one(lock, "sub/dvc.lock").path == "sub/x"


def test_outputs_that_git_keeps_are_left_out_of_stages() -> None:
    out = f"    - path: m.json\n      md5: {MD5}\n"
    lock = f"schema: '2.0'\nstages:\n  a:\n    outs:\n{out}"
    stages = "stages:\n  a:\n    metrics:\n    - m.json:\n        cache: false\n"
    assert dvcfiles.outputs("dvc.lock", lock.encode(), stages.encode()) == []


def test_a_lock_of_the_first_schema_is_read() -> None:
    assert one(f"a:\n  outs:\n  - path: x\n    md5: {MD5}\n", "dvc.lock").path == "x"


@pytest.mark.parametrize("text", ["outs: {}\n", "outs: text\n", "outs: [text]\n", "", "stages: 1\n", "outs:\n"])
def test_forms_without_outputs_are_empty(text: str) -> None:
    assert dvcfiles.outputs("x.dvc", text.encode()) == []
    assert dvcfiles.outputs("dvc.lock", text.encode(), text.encode()) == []


@pytest.mark.parametrize("text", ["outs: [", "- a\n- b\n", "\0"])
def test_what_is_no_file_of_dvc_is_told(text: str) -> None:
    with pytest.raises(DataError, match=r"x\.dvc"):
        dvcfiles.outputs("x.dvc", text.encode())


@pytest.mark.parametrize("path", ["../../x", "/etc/passwd", "../../../x"])
def test_a_path_outside_of_the_repository_is_refused(path: str) -> None:
    with pytest.raises(DataError, match="outside of the repository"):
        one(f"outs:\n- md5: {MD5}\n  path: {path}\n")


def test_a_list_does_not_lead_out_of_its_folder() -> None:
    folder = Content("md5", f"{MD5}.dir")
    with pytest.raises(DataError, match="outside"):
        dvcfiles.listing(folder, f'[{{"md5": "{MD5}", "relpath": "../x"}}]'.encode())
    with pytest.raises(DataError, match="is damaged"):
        dvcfiles.listing(folder, b"[1]")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0\r\n\x85\u2028\u2029"), min_size=1).filter(
    lambda name: name not in {".", ".."}
)


@given(NAMES, st.text("0123456789abcdef", min_size=32, max_size=32))
def test_names_and_md5s_are_read_as_text_whatever_they_look_like(name: str, md5: str) -> None:
    written = yaml.safe_dump({"outs": [{"md5": md5, "hash": "md5", "path": name}]}, allow_unicode=True)
    assert one(written, "x.dvc") == Output(name, Content("md5", md5))


def test_the_default_remote_comes_first_and_later_settings_win() -> None:
    found = dvcfiles.config(
        "[core]\n    remote = b\n['remote \"a\"']\n    url = /a\n",
        "['remote \"b\"']\n    url = s3://b/x\n    region = here\n",
        "[cache]\n    dir = /shared\n['remote \"b\"']\n    region = there\n",
    )
    assert [(each.name, each.url, each.settings.get("region")) for each in found.remotes] == [
        ("b", "s3://b/x", "there"),
        ("a", "/a", None),
    ]
    assert found.cache == "/shared"


def test_a_malformed_configuration_is_told() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        dvcfiles.config("nothing\n[")
