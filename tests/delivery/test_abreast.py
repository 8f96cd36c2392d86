from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from mulle.delivery.backtest.abreast import turn_abreast

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Wheel:
    """Goes a day a turn, and notes how far everybody was when it turned."""

    def __init__(self, days: int, everybody: dict[str, Wheel], pause: float = 0.0) -> None:
        self.now = START
        self.leads: list[timedelta] = []
        self._end, self._everybody, self._pause = START + days * DAY, everybody, pause

    def turn(self) -> bool:
        self.leads.append(self.now - min(one.now for one in self._everybody.values()))
        time.sleep(self._pause)
        self.now += DAY
        return self.now < self._end


def wheels(*days: int) -> dict[str, Wheel]:
    found: dict[str, Wheel] = {}
    found |= {f"w{place}": Wheel(number, found) for place, number in enumerate(days)}
    return found


@pytest.mark.parametrize("threads", [1, 3])
def test_every_wheel_comes_to_its_end(threads: int) -> None:
    found = wheels(5, 1, 9)
    turn_abreast(found, lambda: None, threads)
    assert [len(one.leads) for one in found.values()] == [5, 1, 9]


def test_none_runs_ahead_of_those_that_turn() -> None:
    found = wheels(9, 9, 9)
    turn_abreast(found, lambda: None, 1)
    assert max(lead for one in found.values() for lead in one.leads) == timedelta(0)


def test_one_that_waits_does_not_hold_up_the_others() -> None:
    found = wheels(1)
    found |= {"quick": Wheel(50, found)}
    found["w0"]._pause = 0.5
    ended = threading.Event()

    def told() -> None:
        if found["quick"].now == START + 50 * DAY and found["w0"].now == START:
            ended.set()

    turn_abreast(found, told, 2)
    assert ended.is_set()


def test_what_goes_wrong_in_one_ends_all() -> None:
    found = wheels(3, 1000)

    def broken() -> None:
        raise ValueError("no wind")

    with pytest.raises(ValueError, match="no wind"):
        turn_abreast(found, broken, 2)
    assert len(found["w1"].leads) < 1000
