"""A worker as the pool holds it: its process, the pipes to it, whether it is alive, and its end with all it started."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mulle.pipelines import family, launching
from mulle.pipelines.crashes import ASK, where_it_crashed, where_it_is
from mulle.pipelines.in_process import timed_out
from mulle.pipelines.launching import Kind
from mulle.pipelines.task import Failure, Outcome, Task
from mulle.pipelines.worker import ALIVE, BEGAN, Frames, Place
from mulle.resources import limits
from mulle.resources.cgroups import Cgroup

HUNG_SECONDS = 60.0
"""A worker that says nothing for so long, and uses no processor meanwhile, hangs."""
_LOOK_SECONDS = 1.0
_WATCH_SECONDS = 0.1
"""How often a step that stated its memory is looked at: it may hold more for so long."""
_USED_SECONDS = 0.01
_DEATH_SECONDS = 5.0
_OUT_OF_THE_WAY = 20
_WHERE_LOOKS, _WHERE_SECONDS = 20, 0.02
_WAITS = "see what it waits for at that line; a step that may take long in C code has a timeout: @mulle.step(timeout=…)"
_WIRING = (
    "import os, sys; [os.dup2(int(each), place) for place, each in enumerate(sys.argv[1:4], 3)]; "
    "os.execvp(sys.argv[4], sys.argv[4:])"
)
_LESS_MEMORY = 'give the step less to hold at once, or say what it needs: @mulle.step(memory="8GiB")'


class WorkerProcess:
    """One process, the pipes to it, and the pipe that ends its family when this process is gone."""

    def __init__(self, place: Place, kind: Kind, command: Sequence[str], hung_seconds: float) -> None:
        self.cpus, self.visible = kind.cpus, kind.visible
        self.command = command
        self._hung_seconds = hung_seconds
        self._held = False
        self._logs = Path(place.workspace) / "logs"
        self._mark = os.urandom(8).hex()
        self._kills = out_of_memory_kills()
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        lifeline, self._life = os.pipe()
        given: tuple[int, ...] = (there, back, lifeline)
        told = msgspec.json.encode(place).decode()
        arguments = [*command, told, *map(str, given)]
        if kind.image:  # podman hands on the first ones after the standard streams
            given = tuple(_moved(each) for each in given)
            arguments = [sys.executable, "-S", "-c", _WIRING, *map(str, given), *command, told, "3", "4", "5"]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            arguments,
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            env=os.environ | launching.environment(kind) | {family.MARK: self._mark},
            start_new_session=True,
        )
        for descriptor in given:
            os.close(descriptor)
        self._cgroup = Cgroup(Path(place.cgroup), f"mulle-{self._mark}") if place.cgroup else None
        if self._cgroup is not None:
            self._cgroup.join(self._process.pid)
        self._frames = Frames(os.fdopen(self._in, "rb", buffering=0), os.fdopen(self._out, "wb"))

    def lives(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process with all that it started; whoever waits for its answer finds the pipe ended."""
        pid = self._process.pid if self._process.returncode is None else None
        family.end(pid, self._mark)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it is in the system's hands now
            self._process.wait(_DEATH_SECONDS)

    def close(self) -> None:
        """Kill, and close the pipes; only by the thread that would read from them."""
        self.kill()
        self._frames.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
        if self._cgroup is not None:
            self._cgroup.remove()

    def perform(self, task: Task) -> tuple[Outcome | None, Failure | None]:
        """The outcome; or, when the process had to be killed or died, why there is none."""
        self._kills = out_of_memory_kills()
        try:
            self._frames.send(msgspec.msgpack.encode(task))
            self._hold(task)
            data = self._answer(task.timeout, task.memory)
        except _LateError as late:
            where = self._asked_where(task)
            self.kill()
            return None, timed_out(task, where) if late.timeout else _hung(task, self._hung_seconds, where)
        except _LargeError as large:
            self.kill()
            return None, too_large(task, large.held)
        except OSError:
            data = None
        if data is None:
            return None, self._death(task)
        return msgspec.msgpack.decode(data, type=Outcome), None

    def _hold(self, task: Task) -> None:
        """Hold the process to the cores that the task was given; to all of ours where it was given none."""
        if self._cgroup is not None:
            self._cgroup.limit(task.cpus, task.memory)
        if task.cores or self._held:
            limits.hold_to(self._process.pid, task.cores)
            self._held = bool(task.cores)

    def _answer(self, timeout: float, memory: int) -> bytes | None:
        """The outcome's bytes; None when the process is gone.

        Raises:
            _LateError: the step took too long, or nothing was heard of the process and it used no processor either.
            _LargeError: its processes hold more than `memory`.
        """
        deadline, heard, used = math.inf, time.monotonic(), -1.0
        look = _WATCH_SECONDS if memory else _LOOK_SECONDS
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise _LateError(timeout=True)
            if memory:
                self._watch(memory)
            if select.select([self._in], [], [], min(look, deadline - now))[0]:
                data = self._frames.receive()
                if data not in {BEGAN, ALIVE}:
                    return data
                heard, used = time.monotonic(), -1.0
                if data == BEGAN and timeout:
                    deadline = heard + timeout
            elif not self.lives():  # a child of its own may still hold the pipe
                return None
            elif (spent := family.use(self._process.pid).cpu_seconds) > used + _USED_SECONDS:
                heard, used = time.monotonic(), spent
            elif time.monotonic() - heard > self._hung_seconds:
                raise _LateError(timeout=False)

    def _watch(self, memory: int) -> None:
        held = limits.anonymous_memory([self._process.pid, *family.descendants(self._process.pid)])
        if held > memory:
            raise _LargeError(held)

    def _asked_where(self, task: Task) -> str:
        """The user's line that the process is at; "" where it does not say, as one that is stopped."""
        log = self._logs / f"{task.step_run}.log"
        before = log.stat().st_size if log.exists() else 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, ASK)
        for _ in range(_WHERE_LOOKS):
            time.sleep(_WHERE_SECONDS)
            if log.exists() and log.stat().st_size > before:
                return where_it_is(log)
        return ""

    def _death(self, task: Task) -> Failure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DEATH_SECONDS)
        if self._cgroup is not None and self._cgroup.over:
            return too_large(task, task.memory)
        code = self._process.returncode
        how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit status {code}"
        message, cure = f"its worker process ended {how}", ""
        if code == -signal.SIGKILL and out_of_memory_kills() > self._kills:
            message, cure = f"{message}: the system killed it, as there was no memory left", _LESS_MEMORY
        elif code == -signal.SIGKILL:
            message += "; the machine may have run out of memory, or somebody killed it"
        where = where_it_crashed(self._logs / f"{task.step_run}.log") or f"the step '{task.name}'"
        return Failure("WorkerDied", message, where, message, cure=cure)


def _moved(descriptor: int) -> int:
    """The same file under a number that is out of the way."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(descriptor)
    return moved


class _LateError(Exception):
    def __init__(self, *, timeout: bool) -> None:
        super().__init__()
        self.timeout = timeout


class _LargeError(Exception):
    def __init__(self, held: int) -> None:
        super().__init__()
        self.held = held


def too_large(task: Task, held: int) -> Failure:
    """The failure of a task whose processes held more memory than it asked for."""
    message = f"it used {limits.in_words(held)} of memory, and asked for {limits.in_words(task.memory)}"
    more = math.ceil(held * 1.25 / 2**28) / 4
    cure = f'give it less to hold at once, or ask for more: @mulle.step(memory="{more:g}GiB")'
    return Failure("MemoryLimitExceeded", message, f"the step '{task.name}'", message, cure=cure)


def _hung(task: Task, seconds: float, where: str) -> Failure:
    message = f"its worker process gave no sign of life for {seconds:g} s and used no processor meanwhile"
    return Failure("WorkerHung", message, where or f"the step '{task.name}'", message, cure=_WAITS)


def out_of_memory_kills() -> int:
    """How many processes the system has killed for want of memory; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
