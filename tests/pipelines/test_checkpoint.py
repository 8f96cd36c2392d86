"""Checkpoints: kept whole or not at all, found by the same step only, gone when it has succeeded."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pipelines.drive import Site
from tests.pipelines.generated import Generated

import mulle
from mulle.data.gc import collect_garbage
from mulle.errors import PipelineError
from mulle.pipelines import checkpoint
from mulle.pipelines.checkpoint import Checkpoints
from mulle.pipelines.checkpoint_folder import CheckpointFolder
from mulle.pipelines.values import Shelf
from mulle.testing.kills import LethalFiles, acknowledged_before_death

Make = Callable[..., Site]
KEY = "b3:" + "a" * 64


@pytest.fixture
def kept(shelf: Shelf) -> Checkpoints:
    return Checkpoints(shelf, KEY)


def test_without_a_checkpoint_there_is_none(kept: Checkpoints) -> None:
    assert kept.load() is None


def test_the_newest_is_found(kept: Checkpoints) -> None:
    kept.save([1], 1)
    kept.save([1, 2], 2)
    assert kept.load() == (2, [1, 2])


def test_another_key_finds_nothing(kept: Checkpoints, shelf: Shelf) -> None:
    kept.save([1], 1)
    assert Checkpoints(shelf, "b3:" + "b" * 64).load() is None


def test_arrays_and_anything_else_are_kept(kept: Checkpoints) -> None:
    kept.save({"weights": np.arange(3), "moment": 1 + 2j}, 1)
    found = kept.load()
    assert found is not None
    assert found.state["weights"].tolist() == [0, 1, 2]
    assert found.state["moment"] == 1 + 2j


def test_a_file_is_given_as_a_copy_that_may_be_changed(kept: Checkpoints, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    kept.save(tmp_path / "model.bin", 1)
    first = kept.load()
    assert first is not None
    first.state.chmod(0o644)
    first.state.write_bytes(b"changed")
    again = kept.load()
    assert again is not None
    assert again.state.read_bytes() == b"weights"


def test_what_an_older_one_needed_is_deleted(kept: Checkpoints, shelf: Shelf) -> None:
    for step in range(5):
        kept.save(np.full(1000, step), step)
    files = [path for path in checkpoint.place(shelf, KEY).rglob("*") if path.is_file()]
    assert sorted(path.name == "newest" for path in files) == [False, True]


def test_what_cannot_be_kept_is_refused(kept: Checkpoints) -> None:
    with pytest.raises(PipelineError, match="cannot be kept"):
        kept.save(threading.Lock(), 1)


def test_a_damaged_one_is_none_and_is_told(kept: Checkpoints, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    kept.save([1], 1)
    for path in (checkpoint.place(shelf, KEY) / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    assert kept.load() is None
    assert "begins anew" in capsys.readouterr().err


def test_outside_a_step_nothing_is_kept() -> None:
    mulle.checkpoint.save([1], step=1)
    assert mulle.checkpoint.load() is None


@pytest.mark.parametrize("kill_at", range(1, 14))
def test_killed_at_any_write_the_former_or_the_new_one_is_there(tmp_path: Path, kill_at: int) -> None:
    root = tmp_path / "kept"

    def work(acknowledge: Callable[[str], None]) -> None:
        with CheckpointFolder(root) as folder:
            folder.put(b"first")
            folder.commit(b"1")
        acknowledge("first")
        with CheckpointFolder(root, files=LethalFiles(kill_at)) as folder:
            folder.put(b"second")
            folder.put(b"more")
            folder.commit(b"2")
        acknowledge("second")

    done = acknowledged_before_death(work)
    with CheckpointFolder(root) as folder:
        newest = folder.newest()
        assert newest in ({b"2"} if "second" in done else {b"1", b"2"})
        wanted = {b"1": {b"first"}, b"2": {b"second", b"more"}}[newest]
        assert wanted <= {folder.get(digest) for digest in folder.digests()}


TRAINS = """
import random
from pathlib import Path

import mulle

HERE = Path(__file__).parent


@mulle.step(retries={retries})
def train(epochs: int, seed: int) -> list:
    chance = random.Random(seed)
    done, (weights, state) = mulle.checkpoint.load() or (0, ([0.0] * 4, chance.getstate()))
    chance.setstate((state[0], tuple(state[1]), state[2]))
    for epoch in range(done, epochs):
        with (HERE / "epochs").open("a") as file:
            file.write(f"{{epoch}}\\n")
        weights = [weight * 0.9 + chance.random() for weight in weights]
        mulle.checkpoint.save((weights, chance.getstate()), step=epoch + 1)
        {then}
    return weights


@mulle.pipeline
def main(epochs: int = 40, seed: int = 1):
    return train(epochs, seed)
"""


def _digest(told: Any) -> str:
    result = told["result"] if isinstance(told, dict) else told
    outputs = result["outputs"] if isinstance(result, dict) else result.outputs
    ref = outputs["result"]
    return str(ref["digest"] if isinstance(ref, dict) else ref.digest)


def test_a_retry_goes_on_from_the_checkpoint(site: Make, tmp_path: Path) -> None:
    then = 'if epoch == 2 and done == 0: raise OSError("the network is away")'
    made = site(project=TRAINS.format(retries=1, then=then))
    result = made.run(epochs=5)
    assert result.status == "succeeded"
    assert (tmp_path / "epochs").read_text().split() == ["0", "1", "2", "3", "4"]


def test_it_is_gone_when_the_step_has_succeeded(site: Make, tmp_path: Path) -> None:
    site(project=TRAINS.format(retries=0, then="pass")).run(epochs=3)
    assert list((tmp_path / ".mulle" / "checkpoints").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["in-process", "process"])
def test_a_training_that_was_killed_ends_with_the_same_digest(tmp_path: Path, kind: str) -> None:
    (tmp_path / "whole").mkdir()
    whole = Generated(tmp_path / "whole", {"project": TRAINS.format(retries=0, then="pass")}).run()
    (tmp_path / "cut").mkdir()
    cut = Generated(tmp_path / "cut", {"project": TRAINS.format(retries=0, then="import time; time.sleep(0.03)")})
    process = cut.start("main", kind)
    while not (cut.root / "epochs").exists() or len((cut.root / "epochs").read_text().split()) < 12:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert _digest(cut.run("main", kind)) == _digest(whole)
    epochs = (cut.root / "epochs").read_text().split()
    assert set(epochs) == {str(epoch) for epoch in range(40)}
    assert len(epochs) <= 41


def test_gc_leaves_what_an_unfinished_step_has_saved(site: Make) -> None:
    then = 'if epoch == 2: raise SystemExit("killed")'
    made = site(project=TRAINS.format(retries=0, then=then))
    assert made.run(epochs=5).status == "failed"
    collect_garbage(made.catalog, made.store, grace="0s")
    collect_garbage(made.catalog, made.store, grace="0s")
    (key,) = (made.workspace / "checkpoints").iterdir()
    found = Checkpoints(Shelf(made.store, made.signer, made.workspace / "tmp"), f"b3:{key.name}").load()
    assert found is not None
    assert found.step == 3
