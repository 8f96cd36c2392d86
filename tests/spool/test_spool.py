import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.clock import SystemClock
from mulle.errors import StoreError, UsageError
from mulle.spool import Segment, SpoolWriter, frame, read_segment, read_segments
from mulle.testing.kills import acknowledged_before_death, die
from mulle.testing.soak import repeat


def writer(folder: Path, writer_id: str = "w", **options: float) -> SpoolWriter:
    return SpoolWriter(folder, writer_id, SystemClock(), **options)  # type: ignore[arg-type]


def payloads(folder: Path) -> list[bytes]:
    return [payload for segment in read_segments(folder) for payload in segment.frames]


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
        spool.append_many([b"two", b"three"])
    assert payloads(tmp_path) == [b"one", b"two", b"three"]


def test_what_was_appended_is_read_at_once(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
        assert payloads(tmp_path) == [b"one"]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert payloads(tmp_path / "absent") == []


def test_a_segment_is_open_while_its_writer_lives(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
        [segment] = read_segments(tmp_path)
        assert not segment.sealed


def test_a_closed_writers_segment_is_sealed(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
    [segment] = read_segments(tmp_path)
    assert segment.sealed


def test_a_dead_writers_segment_is_sealed(tmp_path: Path) -> None:
    def work(_: Callable[[str], None]) -> None:
        writer(tmp_path).append(b"last words")
        die()

    acknowledged_before_death(work)
    [segment] = read_segments(tmp_path)
    assert (segment.sealed, segment.frames) == (True, [b"last words"])


def test_after_seal_another_segment_is_begun(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
        spool.seal()
        spool.append(b"two")
    assert [segment.id for segment in read_segments(tmp_path)] == ["w-00000001", "w-00000002"]


def test_a_large_segment_is_followed_by_another(tmp_path: Path) -> None:
    with writer(tmp_path, max_bytes=1000) as spool:
        for _ in range(10):
            spool.append(b"x" * 300)
    assert [len(segment.frames) for segment in read_segments(tmp_path)] == [3, 3, 3, 1]


def test_an_old_segment_is_followed_by_another(tmp_path: Path) -> None:
    with writer(tmp_path, max_age=0) as spool:
        spool.append(b"one")
        spool.append(b"two")
    assert len(list(read_segments(tmp_path))) == 2


def test_a_writer_that_starts_again_counts_on(tmp_path: Path) -> None:
    for text in (b"one", b"two"):
        with writer(tmp_path) as spool:
            spool.append(text)
    assert [segment.id for segment in read_segments(tmp_path)] == ["w-00000001", "w-00000002"]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with writer(tmp_path, "a") as a, writer(tmp_path, "a-b") as b:
        a.append(b"one")
        b.append(b"two")
    assert sorted(payloads(tmp_path)) == [b"one", b"two"]


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"one")
        [first] = read_segments(tmp_path)
        spool.append(b"two")
        assert read_segment(first.path, first.end).frames == [b"two"]


def append_many_times(spool: SpoolWriter, payload: bytes) -> None:
    for _ in range(100):
        spool.append(payload)


def test_threads_append_whole_frames(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        threads = [threading.Thread(target=append_many_times, args=(spool, b"%d" % n * 50)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(set(payloads(tmp_path))) == [b"%d" % n * 50 for n in range(4)]
    assert len(payloads(tmp_path)) == 400


def test_the_timer_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.set())
    with writer(tmp_path) as spool:
        spool.append(b"one")
        assert synced.wait(5)


def test_sync_makes_safe_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    with writer(tmp_path) as spool:
        spool.append(b"one")
        spool.sync()
        assert len(calls) == 1


@pytest.mark.parametrize("payload", [b"", [b"one", b""]])
def test_an_empty_payload_is_refused(tmp_path: Path, payload: bytes | list[bytes]) -> None:
    with writer(tmp_path) as spool, pytest.raises(UsageError):
        spool.append_many([payload] if isinstance(payload, bytes) else payload)
    assert payloads(tmp_path) == []


@pytest.mark.parametrize("writer_id", ["", "a/b", ".hidden"])
def test_a_writer_id_is_a_file_name(tmp_path: Path, writer_id: str) -> None:
    with pytest.raises(UsageError):
        writer(tmp_path, writer_id)


def test_a_closed_spool_takes_nothing(tmp_path: Path) -> None:
    spool = writer(tmp_path)
    spool.append(b"one")
    spool.close()
    with pytest.raises(StoreError, match="closed"):
        spool.append(b"two")


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        real = os.write

        def fill() -> None:
            monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))

        return fill

    def test_it_is_an_error_with_a_cure(self, tmp_path: Path, full: Callable[[], None]) -> None:
        with writer(tmp_path) as spool:
            spool.append(b"before")
            full()
            with pytest.raises(StoreError, match="No space left") as caught:
                spool.append(b"lost")
        assert "free space" in str(caught.value.cure)

    def test_what_was_there_stays_and_it_goes_on(
        self, tmp_path: Path, full: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with writer(tmp_path) as spool:
            spool.append(b"before")
            full()
            with pytest.raises(StoreError):
                spool.append(b"lost")
            monkeypatch.undo()
            spool.append(b"after")
        assert payloads(tmp_path) == [b"before", b"after"]

    def test_a_segment_that_cannot_be_begun_is_not_there(self, tmp_path: Path, full: Callable[[], None]) -> None:
        full()
        with writer(tmp_path) as spool, pytest.raises(StoreError):
            spool.append(b"lost")
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spool")
    with writer(folder) as spool:
        spool.append_many([b"one", b"twotwo", b"x" * 70])
    return next(folder.glob("*.seg"))


def test_a_tail_torn_at_any_byte_leaves_the_whole_frames(segment: Path, tmp_path: Path) -> None:
    content = segment.read_bytes()
    ends = [16, 16 + 11, 16 + 11 + 14, len(content)]
    for length in range(len(content) + 1):
        (tmp_path / "torn-1.seg").write_bytes(content[:length])
        [torn] = read_segments(tmp_path)
        assert len(torn.frames) == sum(length >= end for end in ends[1:])


def test_a_tail_of_zeros_is_cut(segment: Path, tmp_path: Path) -> None:
    (tmp_path / "zeros-1.seg").write_bytes(segment.read_bytes() + bytes(100))
    [zeros] = read_segments(tmp_path)
    assert (len(zeros.frames), zeros.end) == (3, segment.stat().st_size)


@given(st.data())
def test_a_flipped_bit_is_never_a_wrong_payload(segment: Path, data: st.DataObject) -> None:
    content = bytearray(segment.read_bytes())
    at = data.draw(st.integers(16, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    found, _ = frame.frames(bytes(content), 16)
    assert found == [b"one", b"twotwo", b"x" * 70][: len(found)]


@given(st.lists(st.binary(min_size=1)))
def test_frames_come_back(written: list[bytes]) -> None:
    data = b"".join(map(frame.frame, written))
    assert frame.frames(data, 0) == (written, len(data))


def test_what_is_no_segment_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "w-1.seg").write_bytes(b"this is something else")
    with pytest.raises(StoreError, match="is no spool segment"):
        list(read_segments(tmp_path))


def test_a_newer_segment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w-1.seg").write_bytes(frame.HEADER.pack(b"MULLESPL", 2, 0))
    with pytest.raises(StoreError) as caught:
        list(read_segments(tmp_path))
    assert caught.value.cure == "pip install --upgrade mulle"


@pytest.mark.soak
def test_killed_again_and_again(tmp_path: Path) -> None:
    source = random.Random(0)
    for number in range(repeat(30, 3000)):

        def work(acknowledge: Callable[[str], None], number: int = number) -> None:
            spool = writer(tmp_path, f"w{number}", max_bytes=2000)
            for count in range(100_000):
                payload = f"{number}-{count}"
                spool.append(payload.encode())
                acknowledge(payload)

        acknowledged = acknowledged_before_death(work, kill_after=source.uniform(0.001, 0.02))
        segments: list[Segment] = [
            segment for segment in read_segments(tmp_path) if segment.id.startswith(f"w{number}-")
        ]
        kept = [payload.decode() for segment in segments for payload in segment.frames]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) <= len(acknowledged) + 1


def test_appending_is_cheap(tmp_path: Path) -> None:
    with writer(tmp_path) as spool:
        spool.append(b"first")
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(200):
                spool.append(b"x" * 100)
            best = min(best, (time.perf_counter() - began) / 200)
    assert best < 0.0005
