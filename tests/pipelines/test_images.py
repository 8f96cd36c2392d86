"""Steps in containers, by podman, of images that are made of this machine's files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.errors import PipelineError, StepFailedError
from mulle.pipelines import images
from mulle.testing.containers import configuration, installed, make_image, remove_image

Make = Callable[..., Site]
needs_podman = pytest.mark.skipif(not installed(), reason="no podman: sh scripts/install_containers.sh")
IMAGE, PYTHON = "localhost/mulle-test-shell:1", "localhost/mulle-test-python:1"

PROJECT = f"""
import mulle
from pathlib import Path

shout = mulle.command(
    ["sh", "shout.sh", "{{text}}", "{{loud}}"],
    inputs={{"text": "text.txt"}},
    outputs={{"loud": "loud.txt"}},
    image="{IMAGE}",
)
sleep = mulle.command(["sleep", "600"], image="{IMAGE}", timeout="2s", name="sleep")


@mulle.step(image="{PYTHON}")
def inside(text: str) -> list:
    import os

    return [text.upper(), os.path.exists("/bin/ls"), os.path.exists("/bin/tr")]


@mulle.step
def read(path: Path) -> str:
    return path.read_text()


@mulle.pipeline
def main(text: str = "hello"):
    return read(shout(text))


@mulle.pipeline
def sleeps():
    return sleep()


@mulle.pipeline
def python():
    return inside("hello")
"""


@pytest.fixture
def project(site: Make, tmp_path: Path) -> Callable[[str], Site]:
    (tmp_path / "shout.sh").write_text('test ! -e /bin/ls && tr a-z A-Z < "$1" > "$2"\necho shouted')

    def make(kind: str = "process") -> Site:
        return site(kind, project=PROJECT)

    return make


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("podman")
        patch.setenv("CONTAINERS_CONF", str(configuration(folder)))
        make_image(IMAGE, folder / "shell", ["tr", "sleep"])
        yield
        remove_image(IMAGE)


@pytest.fixture(scope="module")
def python_image(podman: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    make_image(PYTHON, tmp_path_factory.mktemp("python"), ["tr"], python=True)
    yield
    remove_image(PYTHON)


def _value(made: Site, result: Any) -> Any:
    result.check()
    return made.controller.value(result.outputs["result"])


@needs_podman
@pytest.mark.slow
@pytest.mark.usefixtures("podman")
def test_a_command_runs_in_its_image(project: Make) -> None:
    made = project("process")
    assert _value(made, made.run("main")) == "HELLO"
    assert made.run("main").steps_executed == 0
    assert made.run("main", text="again").steps_executed == 2


@needs_podman
@pytest.mark.slow
@pytest.mark.usefixtures("podman")
def test_another_image_of_the_same_name_runs_it_again(project: Make, tmp_path: Path) -> None:
    made = project("process")
    made.run("main").check()
    make_image(IMAGE, tmp_path / "other", ["tr", "sleep", "true"])
    assert [step.status for step in made.run("main").steps] == ["executed", "cached"]


@needs_podman
@pytest.mark.slow
@pytest.mark.usefixtures("podman")
def test_a_timeout_ends_the_container(project: Make) -> None:
    result = project("process").run("sleeps")
    assert result.failure is not None
    assert "longer than its timeout" in result.failure["error"]
    end = time.monotonic() + 20
    while _containers():
        assert time.monotonic() < end
        time.sleep(0.05)


def _containers() -> list[str]:
    import subprocess

    told = subprocess.run(["podman", "ps", "--quiet"], capture_output=True, text=True, check=True)
    return told.stdout.split()


@needs_podman
@pytest.mark.slow
@pytest.mark.usefixtures("python_image")
def test_a_python_step_runs_in_its_image(project: Make) -> None:
    made = project("process")
    assert _value(made, made.run("python")) == ["HELLO", False, True]


@needs_podman
@pytest.mark.slow
@pytest.mark.usefixtures("podman")
def test_an_image_that_is_not_there_is_told(site: Make) -> None:
    source = PROJECT.replace(IMAGE, "localhost/mulle-test-none:1")
    with pytest.raises(PipelineError, match="there is no image 'localhost/mulle-test-none:1'"):
        site(project=source).run("sleeps")


def test_without_podman_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PipelineError, match="run by podman, which is not installed"):
        images.digest_of("any")


def test_a_failed_step_says_so(site: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    made = site(project=PROJECT)
    with pytest.raises((PipelineError, StepFailedError), match="podman"):
        made.run("sleeps").check()
