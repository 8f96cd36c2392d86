from __future__ import annotations

import math
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.errors import StoreError
from mulle.resources.process import this_process
from mulle.testing.soak import repeat
from mulle.tuning.facts import Began, Chosen, Ended, Fact, History, Noted, Queued, Ran, Returned, Told
from mulle.tuning.log import StudyLog
from mulle.tuning.space import Int

ME = this_process()


def opened(path: Path) -> StudyLog:
    return StudyLog(path / "study.log", durable=False)


def shown(history: History) -> list[object]:
    return [attempt.record() for attempt in history.attempts]


def test_what_was_appended_is_there_for_who_opens_it_later(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append(Began(0, ME, 1), Chosen(0, "depth", 3, Int(1, 9)), Told(0, 1, math.nan), Ran(0, "r"))
    log.append(Ended(0, "complete", [0.5], 2))
    log.close()
    again = opened(tmp_path)
    assert repr(shown(again.history)) == repr(shown(log.history))
    assert again.history.attempts[0].values == [0.5]
    again.close()


def test_each_follows_what_the_other_appends(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    one.append(Began(0, ME, 1))
    other.append(Began(1, ME, 1))
    one.refresh()
    assert len(one.history.attempts) == len(other.history.attempts) == 2
    one.close()
    other.close()


def test_a_torn_tail_is_cut_by_the_next_who_appends(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append(Began(0, ME, 1))
    log.close()
    with log.path.open("ab") as file:
        file.write(b"\x40\x00\x00\x00torn")
    again = opened(tmp_path)
    again.append(Ended(0, "failed", [], 2, "why"))
    again.close()
    assert opened(tmp_path).history.attempts[0].error == "why"


def test_what_comes_after_the_end_of_a_trial_changes_nothing(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append(Began(0, ME, 1), Ended(0, "complete", [1.0], 2))
    log.append(Told(0, 9, 0.0), Ended(0, "failed", [], 3), Returned(0))
    assert (log.history.attempts[0].status, log.history.attempts[0].reports) == ("complete", {})


def test_a_trial_that_waits_again_keeps_its_parameters_and_forgets_what_it_told(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append(Began(0, ME, 1), Chosen(0, "depth", 3, Int(1, 9)), Told(0, 1, 0.5), Returned(0))
    assert (log.history.attempts[0].status, log.history.waiting) == ("waiting", {0})
    log.append(Began(0, ME, 2))
    assert (log.history.attempts[0].params, log.history.attempts[0].reports) == ({"depth": 3}, {})


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.log").write_bytes(b"something else altogether")
    with pytest.raises(StoreError, match="no log of a study"):
        opened(tmp_path)


numbers = st.integers(0, 3)
facts = st.one_of(
    st.builds(Began, numbers, st.just(ME), st.integers(0, 10**15)),
    st.builds(Queued, numbers),
    st.builds(Chosen, numbers, st.sampled_from(["a", "b"]), st.integers(1, 9), st.just(Int(1, 9))),
    st.builds(Told, numbers, st.integers(0, 5), st.floats(allow_nan=False)),
    st.builds(Noted, st.integers(-1, 3), st.booleans(), st.sampled_from(["a", "b"]), st.text(max_size=3)),
    st.builds(Ran, numbers, st.text(max_size=3)),
    st.builds(Ended, numbers, st.sampled_from(["complete", "pruned", "failed"]), st.lists(st.just(1.0)), st.just(5)),
    st.builds(Returned, numbers),
)


@settings(max_examples=repeat(40, 2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(facts, max_size=6), max_size=6), st.integers(0, 400))
def test_wherever_a_write_is_torn_the_state_is_that_of_whole_facts(
    tmp_path: Path, batches: list[list[Fact]], cut: int
) -> None:
    path = tmp_path / "study.log"
    path.unlink(missing_ok=True)
    log = StudyLog(path, durable=False)
    ends = [log.end]
    for batch in batches:
        log.append(*batch)
    log.close()
    flat = [fact for batch in batches for fact in batch]
    data = path.read_bytes()
    kept = max(ends[0], len(data) - cut)
    path.write_bytes(data[:kept])
    again = StudyLog(path, durable=False)
    expected = [History()]
    for count in range(len(flat) + 1):
        history = History()
        for fact in flat[:count]:
            history.apply(fact)
        expected.append(history)
    assert shown(again.history) in [shown(history) for history in expected]
    again.close()


def _append(path: str, count: int) -> None:
    log = StudyLog(Path(path), durable=False)
    for _ in range(count):
        log.decide(lambda history: [Began(len(history.attempts), ME, 1)])
    log.close()


def test_numbers_are_given_once_by_processes_that_append_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append, args=(path, 200)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    log = StudyLog(Path(path), durable=False)
    assert len(log.history.attempts) == 400
    assert all(attempt.status == "running" for attempt in log.history.attempts)
    log.close()
