"""What things cost and what was wasted, from what was recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.config.resources import PricesSection
from mulle.resources.model import Past
from mulle.resources.prices import cost, gpu_hour, per_thousand
from mulle.resources.waste import p95, propose_cpus, propose_memory, waste

START = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1 << 30
PRICES = PricesSection(currency="EUR", cpu_hour=0.04, gib_hour=0.01, gpu_hour={"default": 1.0, "H200": 4.0})


def past(hours: float = 1.0, **given: Any) -> Past:
    seconds = hours * 3600
    values: dict[str, Any] = {
        "step_run": "s", "run": "r", "pipeline": "p", "step": "train", "project": "p", "user": "u", "pool": "machine",
        "queue": "default", "cpus": 1.0, "memory": 0, "gpus": 0.0, "gpu": "", "gang": 1, "asked_cpus": 1.0,
        "asked_memory": 0, "asked": START,
        "granted": START, "ended": START + timedelta(seconds=seconds), "outcome": "done", "waited": 0.0,
        "seconds": seconds, "cpu_seconds": seconds, "peak_memory": 0,
        "gpus_used": 0.0,
    }  # fmt: skip
    return Past(**values | given)


def test_what_was_held_is_paid_for_whether_or_not_it_was_used() -> None:
    found = cost("run:r", [past(2, cpus=4.0, memory=8 * GIB, cpu_seconds=10.0)], PRICES)
    assert (found.cpu_hours, found.gib_hours) == (8.0, 16.0)
    assert found.cost == pytest.approx(8 * 0.04 + 16 * 0.01)


def test_memory_that_was_not_asked_for_counts_by_its_peak() -> None:
    assert cost("run:r", [past(1, peak_memory=2 * GIB)], PRICES).gib_hours == 2.0


@pytest.mark.parametrize(("name", "price"), [("NVIDIA H200", 4.0), ("NVIDIA A10", 1.0), ("", 1.0)])
def test_a_gpu_costs_what_its_name_says(name: str, price: float) -> None:
    assert gpu_hour(PRICES, name) == price
    assert cost("run:r", [past(1, gpus=0.5, gpu=name)], PRICES).gpu_hours == 0.5


def test_without_a_price_table_hours_are_counted_and_that_is_said() -> None:
    found = cost("run:r", [past(1)], PricesSection())
    assert (found.cost, found.cpu_hours) == (0.0, 1.0)
    assert "[prices]" in found.note


def test_the_dearest_step_is_the_first() -> None:
    steps = [past(1, step="load"), past(5, step="train"), past(1, step="load")]
    assert [(step.step, step.times) for step in cost("run:r", steps, PRICES).steps] == [("train", 1), ("load", 2)]


def test_a_thousand_predictions_share_what_the_model_cost() -> None:
    assert per_thousand(1.0, 0.5, 3000) == pytest.approx(0.5)
    assert per_thousand(1.0, 0.0, 0) is None


def test_what_asks_for_too_much_is_told_what_to_ask_for() -> None:
    [row] = waste([past(1, cpus=4.0, memory=8 * GIB, cpu_seconds=3600.0, peak_memory=GIB)], PRICES)
    assert (row.propose_cpus, row.propose_memory) == (2, 1280 << 20)
    assert row.cure == '@mulle.step(cpus=2, memory="1.25GiB")'
    assert row.wasted_cpu_hours == pytest.approx(3.0)
    assert row.wasted_gib_hours == pytest.approx(7.0)


def test_what_asks_for_less_memory_than_it_had_is_told_too() -> None:
    [row] = waste([past(1, memory=GIB, peak_memory=2 * GIB)], PRICES)
    assert row.cure == '@mulle.step(memory="2.5GiB")'


def test_a_gpu_that_stands_still_is_wasted() -> None:
    [row] = waste([past(2, gpus=1.0, gpu="NVIDIA H200", gpus_used=0.25)], PRICES)
    assert (row.gpus_used, row.wasted_gpu_hours) == (0.25, 1.5)
    assert row.wasted == pytest.approx(6.0)


def test_a_request_that_fits_is_left_alone() -> None:
    [row] = waste([past(1, cpus=2.0, memory=int(1.25 * GIB), cpu_seconds=1.6 * 3600, peak_memory=GIB)], PRICES)
    assert row.cure == ""


def test_calls_and_items_of_a_step_are_one_step() -> None:
    steps = [past(1, step=name) for name in ("load", "load-2", "load[7]", "load-3[a]")]
    assert [(row.step, row.times) for row in waste(steps, PRICES)] == [("load", 4)]


def test_a_failure_says_nothing_of_what_is_needed() -> None:
    assert waste([msgspec.structs.replace(past(1), outcome="failed")], PRICES) == []


@given(st.lists(st.floats(0, 64), min_size=1, max_size=50))
def test_the_proposal_is_enough_for_all_but_a_twentieth(cores: list[float]) -> None:
    proposed = propose_cpus(cores)
    assert sum(each > proposed + 0.1 for each in cores) <= len(cores) * 0.05
    assert p95(cores) in cores


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=50))
def test_so_is_that_of_memory(peaks: list[int]) -> None:
    proposed = propose_memory(peaks)
    assert sum(each > proposed for each in peaks) <= len(peaks) * 0.05
    assert proposed % (64 << 20) == 0
