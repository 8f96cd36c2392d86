"""What is seen of a step while it runs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from mulle.pipelines.sampling import MOST, Sampler


def _burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_step_that_is_over_at_once_has_no_samples() -> None:
    sampler = Sampler()
    sampler.begin()
    assert sampler.end() == []


def test_cores_and_memory_are_of_this_process_and_its_children() -> None:
    sampler = Sampler(interval=0.05)
    sampler.begin()
    code = "x = bytearray(60_000_000)\nimport time\nend = time.time() + 1\nwhile time.time() < end: pass"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
    child.wait()
    samples = sampler.end()
    assert max(sample.cores for sample in samples) > 0.3
    assert max(sample.memory for sample in samples) - samples[0].memory > 40_000_000 or samples[0].memory > 60_000_000


def test_a_long_step_has_no_more_samples_than_are_drawn() -> None:
    sampler = Sampler(interval=0.001)
    sampler.begin()
    time.sleep(1.5)
    samples = sampler.end()
    assert MOST // 4 < len(samples) < MOST
    assert [sample.at for sample in samples] == sorted(sample.at for sample in samples)


def test_another_step_begins_anew() -> None:
    sampler = Sampler(interval=0.02)
    sampler.begin()
    time.sleep(0.2)
    assert sampler.end()
    sampler.begin()
    time.sleep(0.1)
    assert sampler.end()[0].at < 0.09


def test_a_sign_of_life_is_given_at_each_look_while_a_step_runs() -> None:
    looks: list[float] = []
    sampler = Sampler(interval=0.02, on_look=lambda: looks.append(time.monotonic()))
    sampler.begin()
    time.sleep(0.3)
    sampler.end()
    seen = len(looks)
    time.sleep(0.2)
    assert 3 <= seen <= 16
    assert len(looks) <= seen + 1


def test_it_looks_no_more_often_than_it_is_told_to() -> None:
    sampler = Sampler(interval=0.5)
    sampler.begin()
    time.sleep(1.6)
    assert 2 <= len(sampler.end()) <= 6
    assert [thread.name for thread in threading.enumerate()].count("mulle-sampler") >= 1
