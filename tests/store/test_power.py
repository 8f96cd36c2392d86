"""A power cut at any moment: what was flushed is there, what is there is intact, and the store goes on."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mulle.hashing import digest_bytes, to_raw
from mulle.store import LocalStore
from mulle.testing.power import ForgetfulFiles
from mulle.testing.soak import repeat
from mulle.types import Digest

SMALL, LIMIT = 700, 1500
sizes = st.sampled_from([1, 10, 60, 100, 140, 200])
ages = st.integers(1, 4)


class Power(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 1 << 30))
    def begin(self, seed: int) -> None:
        self.root = Path(tempfile.mkdtemp()).resolve()
        LocalStore(self.root).close()
        self.files = ForgetfulFiles(self.root, seed)
        self.flushed: set[Digest] = set()
        self.contents = [b"first"]
        self.open()

    def open(self) -> None:
        self.stores = [LocalStore(self.root, small=SMALL, pack_limit=LIMIT, files=self.files) for _ in range(2)]
        self.put: list[set[Digest]] = [set(), set()]

    def teardown(self) -> None:
        if hasattr(self, "root"):
            for store in self.stores:
                store.close()
            shutil.rmtree(self.root)

    @rule(which=st.integers(0, 1), size=sizes)
    def put_something_new(self, which: int, size: int) -> None:
        self.contents.append(b"%06d" % len(self.contents) * size)
        self.put[which].add(self.stores[which].put(self.contents[-1]))

    @rule(which=st.integers(0, 1), age=ages)
    def put_something_again(self, which: int, age: int) -> None:
        self.put[which].add(self.stores[which].put(self.contents[-min(age, len(self.contents))]))

    @rule(which=st.integers(0, 1))
    def flush(self, which: int) -> None:
        self.stores[which].flush()
        self.flushed |= self.put[which]

    @rule(which=st.integers(0, 1), size=sizes)
    def one_puts_and_the_other_flushes(self, which: int, size: int) -> None:
        self.put_something_new(1 - which, size)
        self.put_something_again(which, 1)
        self.flush(which)

    @rule()
    def end_a_writer(self) -> None:
        self.stores[0].close()
        self.stores[0] = LocalStore(self.root, small=SMALL, pack_limit=LIMIT, files=self.files)
        self.put[0] = set()

    @rule(which=st.integers(0, 1), forgotten=st.sets(st.integers(0, 20), max_size=5))
    def collect_garbage(self, which: int, forgotten: set[int]) -> None:
        """Some of what was flushed is not needed any more, and goes."""
        ordered = sorted(self.flushed)
        self.flushed -= {ordered[place] for place in forgotten if place < len(ordered)}
        needed = {to_raw(digest) for digest in (*self.flushed, *self.put[0], *self.put[1])}
        self.stores[which].sweep(lambda: needed, grace=0, waste=0)

    @rule()
    def cut(self) -> None:
        for store in self.stores:
            store.close()
        self.files.cut()
        self.open()
        for digest in self.flushed:
            assert digest_bytes(self.stores[0].get(digest)) == digest

    @rule(which=st.integers(0, 1), age=ages)
    def what_was_put_is_intact(self, which: int, age: int) -> None:
        data = self.contents[-min(age, len(self.contents))]
        assert self.stores[which].get(self.stores[which].put(data)) == data


TestPower = pytest.mark.soak(Power.TestCase)
TestPower.settings = settings(max_examples=repeat(100, 3000), stateful_step_count=40, deadline=None)
