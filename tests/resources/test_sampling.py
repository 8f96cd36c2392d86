import os
import subprocess
import sys
import time

from mulle.resources import Sampler


def burn(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_cpu_seconds_are_counted() -> None:
    with Sampler(os.getpid(), 0.01) as sampler:
        burn(0.2)
    assert 0.1 < sampler.usage().cpu_seconds < 5


def test_what_was_spent_before_does_not_count() -> None:
    burn(0.1)
    with Sampler(os.getpid()) as sampler:
        pass
    assert sampler.usage().cpu_seconds < 0.1


def test_the_peak_is_kept() -> None:
    with Sampler(os.getpid(), 0.01) as sampler:
        ballast = bytearray(os.urandom(1)) * 50_000_000
        time.sleep(0.05)
        del ballast
    assert sampler.usage().peak_rss > 50_000_000


def test_children_count() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(0.3)"
    with Sampler(os.getpid(), 0.02) as sampler:
        subprocess.run([sys.executable, "-c", code], check=True)
    assert sampler.usage().cpu_seconds > 0.2


def test_a_process_that_has_ended_keeps_what_was_seen() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    sampler = Sampler(child.pid, 0.01).start()
    child.kill()
    child.wait()
    assert sampler.stop().peak_rss >= 0
