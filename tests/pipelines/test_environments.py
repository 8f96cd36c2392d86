"""Steps in environments of their own, built from lock files that list small wheels made here."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.errors import PipelineError, StepFailedError
from mulle.pipelines import environments

Make = Callable[..., Site]

PROJECT = """
import mulle


@mulle.step(env="tiny.lock")
def versions(given: dict) -> list:
    import sys

    import msgspec
    import tiny

    return [tiny.VERSION, sys.prefix != sys.base_prefix, msgspec.json.encode(given).decode()]


@mulle.step(env="tiny.lock")
def strange() -> str:
    import pytest

    return pytest.__version__


@mulle.step
def given() -> dict:
    return {"a": 1}


@mulle.pipeline
def main():
    return versions(given())


@mulle.pipeline
def other():
    return strange()
"""


def _wheel(folder: Path, version: str) -> str:
    """A wheel with the module `tiny`, and the line of a lock file that names it."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for name, text in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return f"./{path.name} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _value(made: Site, result: Any) -> Any:
    result.check()
    return made.controller.value(result.outputs["result"])


@pytest.mark.slow
def test_a_step_runs_with_what_its_lock_file_lists(site: Make, tmp_path: Path) -> None:
    (tmp_path / "tiny.lock").write_text(_wheel(tmp_path, "1.0"))
    made = site("process", project=PROJECT)
    assert _value(made, made.run("main")) == ["1.0", True, '{"a":1}']
    assert made.run("main").steps_executed == 0
    (tmp_path / "tiny.lock").write_text(_wheel(tmp_path, "1.1"))
    again = made.run("main")
    assert [step.status for step in again.steps] == ["cached", "executed"]
    assert _value(made, again) == ["1.1", True, '{"a":1}']


@pytest.mark.slow
def test_what_the_lock_file_does_not_list_is_not_there(site: Make, tmp_path: Path) -> None:
    (tmp_path / "tiny.lock").write_text(_wheel(tmp_path, "1.0"))
    with pytest.raises(StepFailedError, match="No module named 'pytest'"):
        site("process", project=PROJECT).run("other").check()


@pytest.mark.slow
def test_a_lock_file_that_cannot_be_installed_is_told(site: Make, tmp_path: Path) -> None:
    (tmp_path / "tiny.lock").write_text("./no-such-wheel-1.0-py3-none-any.whl\n")
    with pytest.raises(StepFailedError, match=r"the environment of .*tiny\.lock cannot be built") as caught:
        site("process", project=PROJECT).run("main").check()
    assert "no-such-wheel" in str(caught.value.cause)


def test_a_lock_file_that_is_not_there_is_told_before_its_step_runs(site: Make) -> None:
    with pytest.raises(PipelineError, match=r"tiny\.lock cannot be read"):
        site(project=PROJECT).run("main")


@pytest.mark.slow
def test_an_environment_is_built_once_by_several_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "tiny.lock"
    lock.write_text(_wheel(tmp_path, "1.0"))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(environments.ensure(lock, tmp_path / "e"))) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(set(found)) == 1
    made = found[0].parents[1].stat().st_ino
    environments.ensure(lock, tmp_path / "e")
    assert found[0].parents[1].stat().st_ino == made


@pytest.mark.slow
def test_what_was_left_half_built_is_built_anew(tmp_path: Path) -> None:
    lock = tmp_path / "tiny.lock"
    lock.write_text(_wheel(tmp_path, "1.0"))
    python = environments.ensure(lock, tmp_path / "e")
    (python.parents[1] / "ready").unlink()
    python.unlink()
    assert environments.ensure(lock, tmp_path / "e").exists()


def test_the_digest_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    for name, text in (("a", "x==1\n"), ("b", "x==1\n"), ("c", "x==2\n")):
        (tmp_path / name).write_text(text)
    first, second, third = (environments.digest_of(tmp_path / name) for name in "abc")
    assert first == second != third
