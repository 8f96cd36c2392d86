"""A step that runs in several processes at once, as torchrun starts them: all of them, or none.

Each process calls the step's function with the same arguments. RANK and WORLD_SIZE (also as MULLE_RANK and
MULLE_WORLD_SIZE), LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT tell them apart and where to meet
(https://docs.pytorch.org/docs/stable/elastic/run.html). The outputs, metrics and checkpoints of rank 0 count.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec

from mulle.pipelines.task import Outcome, Task

_LOCAL = "127.0.0.1"
_LOOK_SECONDS = 60.0
_CONSEQUENCES = {"Cancelled", "Preempted"}


def members(task: Task) -> list[Task]:
    """A task for each process of the gang; that of rank 0 is the step's own."""
    port = _free_port()
    return [_member(task, rank, port) for rank in range(task.gang)]


def perform(task: Task, one: Callable[[Task], Outcome], stop: Callable[[], None]) -> Outcome:
    """Perform all processes of a gang at once; where one fails, the others are ended, and its failure is the gang's.

    Args:
        task: the step's task.
        one: performs one process's task and gives its outcome.
        stop: ends all processes that still run.
    """
    tasks = members(task)
    with ThreadPoolExecutor(len(tasks), thread_name_prefix="mulle-gang") as threads:
        running: dict[Future[Outcome], int] = {threads.submit(one, each): rank for rank, each in enumerate(tasks)}
        outcomes: dict[int, Outcome] = {}
        failed: tuple[int, Outcome] | None = None
        while running:
            done, _ = wait(running, _LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                rank = running.pop(future)
                outcomes[rank] = future.result()
                if outcomes[rank].failure is not None and failed is None:
                    failed = rank, outcomes[rank]
                    stop()
    return _together(task, outcomes, failed)


def _together(task: Task, outcomes: dict[int, Outcome], failed: tuple[int, Outcome] | None) -> Outcome:
    used = {
        "step_run": task.step_run,
        "cpu_seconds": sum(each.cpu_seconds for each in outcomes.values()),
        "peak_memory": sum(each.peak_memory for each in outcomes.values()),
        "seconds": max(each.seconds for each in outcomes.values()),
    }
    if failed is None:
        return msgspec.structs.replace(outcomes[0], **used)
    rank, outcome = failed
    failure = outcome.failure
    if failure is not None and failure.kind not in _CONSEQUENCES:
        failure = msgspec.structs.replace(failure, message=f"{failure.message} (rank {rank} of {task.gang})")
    return msgspec.structs.replace(outcome, outputs=[], failure=failure, **used)


def _member(task: Task, rank: int, port: int) -> Task:
    told = {"RANK": rank, "WORLD_SIZE": task.gang, "MULLE_RANK": rank, "MULLE_WORLD_SIZE": task.gang}
    told |= {"LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": task.gang, "MASTER_PORT": port}
    environ = task.environ | {name: str(value) for name, value in told.items()} | {"MASTER_ADDR": _LOCAL}
    cores = len(task.cores) // task.gang
    mine = {
        "environ": environ,
        "gang": 1,
        "visible": task.visible[rank : rank + 1],
        "cores": task.cores[rank * cores : (rank + 1) * cores],
    }
    if rank == 0:
        return msgspec.structs.replace(task, **mine)
    # a log of its own, and an owner that no run shows
    return msgspec.structs.replace(task, step_run=f"{task.step_run}.{rank}", owner=f"{task.owner}.{rank}", **mine)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOCAL, 0))
        return int(found.getsockname()[1])
