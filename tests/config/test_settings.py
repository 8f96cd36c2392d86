from pathlib import Path

import pytest

from mulle.config import Settings, load
from mulle.errors import ConfigError, MulleError, UnknownNameError


def settings(folder: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    (folder / "mulle.toml").write_text(text)
    return load(folder, environment or {})


def test_an_empty_file_serves(tmp_path: Path) -> None:
    found = settings(tmp_path, "")
    assert found == Settings(root=tmp_path, workspace=tmp_path / ".mulle", project=tmp_path.name)


def test_what_the_file_says(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '[project]\nname = "delay"\nmodule = "flights"\n[workspace]\npath = "../shared"\n'
        '[run]\nexecutor = "in-process"\nworkers = 2\n[server]\nhost = "0.0.0.0"\nport = 80\n[ui]\nlanguage = "ko"\n',
    )
    assert found == Settings(
        root=tmp_path, workspace=tmp_path.parent / "shared", project="delay", module="flights", executor="in-process",
        workers=2, host="0.0.0.0", port=80, language="ko",
    )  # fmt: skip


def test_it_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "mulle.toml").touch()
    assert load(tmp_path / "deep" / "er", {}).root == tmp_path


def test_nothing_found_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert caught.value.cure == "mulle init NAME"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("MULLE_EXECUTOR", "in-process", "executor", "in-process"),
        ("MULLE_WORKERS", "3", "workers", 3),
        ("MULLE_HOST", "::1", "host", "::1"),
        ("MULLE_PORT", "0", "port", 0),
        ("MULLE_LANGUAGE", "ko", "language", "ko"),
        ("MULLE_WORKSPACE", "/elsewhere", "workspace", Path("/elsewhere")),
    ],
)
def test_the_environment_counts_more(tmp_path: Path, name: str, value: str, field: str, expected: object) -> None:
    assert getattr(settings(tmp_path, "[run]\nworkers = 1\n", {name: value}), field) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[run\n", 1),
        ('[project]\nname = "a\n', 2),
        ('[project]\nname = "a"\n\n[run]\nworkers = "two"\n', 5),
        ('[run]\nexecutor = "threads"\n', 2),
        ("run.workers = 1.5\n", 1),
        ("project = 1\n", 1),
        ("[ui]\nlanguage = 'fr'\n", 2),
    ],
)
def test_what_cannot_be_is_named_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"line {line}\b") as caught:
        settings(tmp_path, text)
    assert caught.value.cause
    assert caught.value.cure


@pytest.mark.parametrize(
    ("text", "suggested"),
    [("[wrokspace]\n", "workspace"), ("[run]\nworker = 1\n", "workers"), ("[server]\nprot = 1", "port")],
)
def test_an_unknown_name_suggests_the_nearest(tmp_path: Path, text: str, suggested: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{suggested}'"):
        settings(tmp_path, text)


@pytest.mark.parametrize("environment", [{"MULLE_WORKERS": "many"}, {"MULLE_EXECUTOR": "x"}, {"MULLE_PORT": "70000"}])
def test_an_environment_that_cannot_be(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, "", environment)
    assert caught.value.cure


@pytest.mark.parametrize("text", ["[run]\nworkers = -1\n", "[server]\nport = 65536\n"])
def test_numbers_out_of_range(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        settings(tmp_path, text)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(MulleError, match="cannot be read"):
        load(tmp_path, {})


def test_remotes_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text('[remotes]\norigin = "s3://bucket/prefix"\nmy-archive = "../there"\n')
    found = load(tmp_path, {"MULLE_REMOTES__ORIGIN": "memory:", "MULLE_REMOTES__MORE": "/mnt/more"})
    assert found.remotes == {"origin": "memory:", "my-archive": "../there", "more": "/mnt/more"}


def test_a_remote_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mulle.toml").write_text("[remotes]\n\norigin = 3\n")
    with pytest.raises(ConfigError, match="line 3"):
        load(tmp_path, {})
