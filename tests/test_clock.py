import re
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from mulle.clock import ClockIds, SystemClock, VirtualClock

START = datetime(2013, 1, 1, tzinfo=UTC)


def test_the_system_clock_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_monotonic_time_grows() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()


def test_the_system_clock_sleeps() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.01


def test_a_virtual_clock_stands_still() -> None:
    clock = VirtualClock(START)
    assert clock.now() == clock.now() == START


def test_a_virtual_clock_sleeps_without_waiting() -> None:
    clock = VirtualClock(START)
    clock.sleep(86_400 * 365)
    assert clock.now() == datetime(2014, 1, 1, tzinfo=UTC)


def test_a_virtual_clock_is_advanced() -> None:
    assert VirtualClock(START).advance(timedelta(hours=1)) == START + timedelta(hours=1)


def test_time_does_not_run_backward() -> None:
    with pytest.raises(ValueError, match="backward"):
        VirtualClock(START).set(START - timedelta(seconds=1))


def test_a_virtual_clock_starts_at_an_aware_instant() -> None:
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(datetime(2013, 1, 1))  # noqa: DTZ001


def test_virtual_liveness_is_real() -> None:
    clock = VirtualClock(START)
    assert clock.monotonic() <= clock.monotonic()


def test_an_id_is_a_uuid_of_version_7() -> None:
    found = uuid.UUID(ClockIds(VirtualClock(START)).new())
    assert (found.variant, found.int >> 76 & 0xF) == (uuid.RFC_4122, 7)


def test_an_id_begins_with_its_instant() -> None:
    text = ClockIds(VirtualClock(START)).new()
    assert int(text.replace("-", "")[:12], 16) == START.timestamp() * 1000


def test_ids_sort_in_the_order_they_were_made() -> None:
    clock = VirtualClock(START)
    ids = ClockIds(clock, seed=1)
    made = []
    for _ in range(20):
        made += [ids.new() for _ in range(1000)]
        clock.advance(timedelta(milliseconds=1))
    assert made == sorted(set(made))


def test_ids_repeat_with_the_seed() -> None:
    def three() -> list[str]:
        ids = ClockIds(VirtualClock(START), seed=7)
        return [ids.new() for _ in range(3)]

    assert three() == three()


def test_ids_differ_without_one() -> None:
    clock = VirtualClock(START)
    assert ClockIds(clock).new() != ClockIds(clock).new()


def test_threads_never_share_an_id() -> None:
    ids, made = ClockIds(SystemClock()), list[str]()
    threads = [threading.Thread(target=lambda: made.extend(ids.new() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) for text in made)
