"""Whether a process lives."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from mulle.resources.process import lives, this_process


def test_this_process_lives() -> None:
    assert lives(this_process())


def test_another_process_of_the_same_number_is_not_it() -> None:
    assert not lives(msgspec.structs.replace(this_process(), started=this_process().started - 100))


def test_a_process_that_ended_does_not_live() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not lives(msgspec.structs.replace(this_process(), pid=process.pid))


def test_of_another_machine_nothing_is_known_so_it_counts_as_living() -> None:
    assert lives(msgspec.structs.replace(this_process(), host="elsewhere"))
