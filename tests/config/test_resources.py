"""`[resources]` and `[prices]` in mulle.toml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mulle.config import load
from mulle.errors import MulleError


def written(folder: Path, text: str) -> Path:
    (folder / "mulle.toml").write_text(text)
    return folder


def test_without_settings_there_is_the_whole_machine(tmp_path: Path) -> None:
    found = load(written(tmp_path, ""), {}).resources
    assert (found.pool, found.queue, found.patience) == ("machine", "default", timedelta(minutes=10))
    assert not found.pools["machine"].declared
    assert found.queues["default"].priority == 0


def test_everything_that_can_be_written(tmp_path: Path) -> None:
    settings = load(
        written(
            tmp_path,
            """
            [resources]
            pool = "big"
            queue = "urgent"
            patience = "1h"
            [resources.pools.big]
            cpus = 8
            memory = "28GiB"
            gpus = ["0", "1"]
            [resources.queues.urgent]
            priority = 10
            [resources.weights]
            flights = 2
            [resources.quotas.users."ada@host"]
            memory = "1GiB"
            steps = 3
            [prices]
            cpu_hour = 0.04
            gpu_hour = { default = 1.0, H200 = 4.0 }
            """,
        ),
        {},
    )
    found = settings.resources
    assert (found.pools["big"].memory, found.pools["big"].gpus) == (28 << 30, ["0", "1"])
    assert found.queues["urgent"].priority == 10
    assert found.users["ada@host"].memory == 1 << 30
    assert found.weights == {"flights": 2.0}
    assert settings.prices.gpu_hour == {"default": 1.0, "H200": 4.0}


def test_a_queue_can_be_chosen_for_once(tmp_path: Path) -> None:
    folder = written(tmp_path, "[resources.queues.urgent]\npriority = 1\n")
    assert load(folder, {"MULLE_QUEUE": "urgent"}).resources.queue == "urgent"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[resources]\nqueue = 'urgent'", "names 'urgent', which is not declared"),
        ("[resources]\npool = 'big'", "[resources.pools.big]"),
        ("[resources.pools.big]\ncpus = 0", "0 cpus"),
        ("[resources.pools.big]\nmemory = 'lots'", "'lots' is not an amount of memory"),
        ("[resources.pools.big]\ncpus = 1\ncores = 3", "line 3: [resources.pools.big] cores"),
        ("[resources.weights]\nflights = 0", "a weight of 0"),
        ("[resources]\npatience = 'soon'", "'soon' is not a duration"),
        ("[resources]\nqueues = 3", "line 2"),
        ("[resources.quotas.projects.p]\ncpus = -1", "-1"),
        ("[prices]\ncpu_hour = 'free'", "line 2"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MulleError) as caught:
        load(written(tmp_path, text), {})
    assert says in str(caught.value)
