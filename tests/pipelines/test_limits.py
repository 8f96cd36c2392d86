"""What a step may use, held to: memory, cores, GPUs, threads; and steps of several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pipelines.drive import Site, opened

from mulle.config.resources import PoolSection, ResourcesSection, checked
from mulle.pipelines.model import Progress, RunResult
from mulle.resources.admission import Admission, Ask

pytestmark = pytest.mark.slow

PROJECT = """
import os, subprocess, sys, time
import mulle

def hold(mebibytes):
    data = bytearray(mebibytes << 20)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(20)

@mulle.step(memory="200MiB")
def large():
    hold(400)

@mulle.step(memory="200MiB")
def large_in_a_child():
    code = "import time; d = bytearray(400 << 20); d[::4096] = b'x' * len(d[::4096]); time.sleep(20)"
    subprocess.run([sys.executable, "-c", code])

@mulle.step(memory="300MiB")
def mapped() -> int:
    import mmap
    with open("big", "wb") as file:
        file.truncate(600 << 20)
    with open("big", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as seen:
        return sum(seen[i] for i in range(0, len(seen), 4096))

@mulle.step(cpus=2)
def threads() -> dict:
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "OMP_WAIT_POLICY")}

@mulle.step(gpus=1)
def sees() -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]

@mulle.step
def sees_none() -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]

@mulle.step
def cores() -> int:
    return len(os.sched_getaffinity(0))

@mulle.step(gang=3, gpus=0.5)
def gang() -> dict:
    import socket
    rank, port = int(os.environ["RANK"]), int(os.environ["MASTER_PORT"])
    mulle.log_metric("rank", rank)
    print("I am", rank)
    told = [os.environ["CUDA_VISIBLE_DEVICES"]]
    if rank == 0:
        with socket.create_server((os.environ["MASTER_ADDR"], port)) as server:
            for _ in range(int(os.environ["WORLD_SIZE"]) - 1):
                other, _ = server.accept()
                told.append(other.recv(100).decode())
    else:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as there:
                    there.sendall(told[0].encode())
                break
            except OSError:
                time.sleep(0.05)
    return {"rank": rank, "world": os.environ["MULLE_WORLD_SIZE"], "gpus": sorted(told)}

@mulle.step(gang=2)
def half_a_gang() -> int:
    if os.environ["RANK"] == "1":
        raise ValueError("one of two")
    time.sleep(60)
    return 0

for _name in ("large", "large_in_a_child", "mapped", "threads", "sees", "sees_none", "cores", "gang", "half_a_gang"):
    def _made(step=globals()[_name]):
        return step()
    globals()[f"run_{_name}"] = mulle.pipeline(name=_name)(_made)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project.py").write_text(PROJECT)
    pool = PoolSection(cpus=3, gpus=["0", "1"])
    with opened(tmp_path, "process", workers=3, resources=checked(ResourcesSection(pools={"machine": pool}))) as made:
        yield made


def run(site: Site, name: str) -> RunResult:
    result: RunResult = site.run(name)
    return result


def value(site: Site, name: str) -> object:
    return site.controller.value(run(site, name).check().outputs["result"])


@pytest.mark.parametrize("name", ["large", "large_in_a_child"])
def test_a_step_that_holds_more_than_it_asked_for_is_ended_and_told_why(site: Site, name: str) -> None:
    failure = run(site, name).failure
    assert failure is not None
    assert "of memory, and asked for 200 MiB" in failure["error"]
    assert '@mulle.step(memory="' in failure["cure"]


def test_a_mapped_file_does_not_count(site: Site) -> None:
    assert value(site, "mapped") == 0


def test_a_run_that_waits_says_so_and_goes_on(site: Site) -> None:
    other = Admission(checked(ResourcesSection(pools={"machine": PoolSection(cpus=3)})), "other")
    with site.catalog.write() as tx:
        assert other.request(tx, Ask(step_run="held", run="r", step="s", cpus=3)) is not None
    seen: list[str] = []

    def on_progress(event: Progress) -> None:
        seen.append(event.status)
        if event.status == "pending":
            with site.catalog.write() as tx:
                other.close(tx)

    result = site.controller.run(site.project.one_pipeline("threads"), {}, on_progress=on_progress)
    assert result.status == "succeeded"
    assert seen == ["pending", "running", "executed"]


def test_libraries_are_told_how_many_cores_there_are(site: Site) -> None:
    told = value(site, "threads")
    assert told == {"OMP_NUM_THREADS": "2", "LOKY_MAX_CPU_COUNT": "2", "OMP_WAIT_POLICY": "PASSIVE"}


def test_a_step_sees_the_gpus_that_it_was_given(site: Site) -> None:
    assert value(site, "sees") == "0"
    assert value(site, "sees_none") == ""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="there is no affinity here")
def test_a_step_is_held_to_cores_of_its_own_where_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project.py").write_text(PROJECT)
    with opened(tmp_path, "process", resources=checked(ResourcesSection(pin=True))) as site:
        assert value(site, "cores") == 1


def test_a_gang_meets_and_its_first_process_gives_the_output(site: Site) -> None:
    result = run(site, "gang").check()
    told = site.controller.value(result.outputs["result"])
    assert told == {"rank": 0, "world": "3", "gpus": ["0", "0", "1"]}
    [step] = result.steps
    logs = site.workspace / "logs"
    assert (logs / f"{step.step_run}.log").read_text() == "I am 0\n"
    assert (logs / f"{step.step_run}.2.log").read_text() == "I am 2\n"


def test_where_one_of_a_gang_fails_the_others_are_ended(site: Site) -> None:
    failure = run(site, "half_a_gang").failure
    assert failure is not None
    assert "one of two (rank 1 of 2)" in failure["error"]
