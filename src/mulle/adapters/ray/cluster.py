"""A Ray cluster as mulle uses it: one actor a node, tasks handed to it and outcomes fetched from it in groups.

Ray itself notices a dead process soon, but keeps a node whose link is cut alive for over a minute. So every node is
called all the time, and one that does not answer within `PATIENCE_SECONDS` counts as lost; the node ends its work by
itself when nobody calls it for as long.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import msgspec
import ray
import ray._private.worker as ray_worker
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mulle.adapters.ray.node import Node
from mulle.errors import PipelineError
from mulle.pipelines.task import Failure, Outcome, Task

BEAT_SECONDS = 0.5
PATIENCE_SECONDS = 5.0
_START_SECONDS = 60.0
"""How long an actor may take to start: a new Python process, and its imports."""
_REACH_SECONDS = 5.0
_GATHER_SECONDS = 0.001
_STOP_SECONDS = 3.0
_LOOK_SECONDS = 1.0
_AVOID_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_LINGER_SECONDS = 3.0
_AHEAD_SECONDS = 0.1
"""So much work may wait on a node, so that it does not wait for us."""
_MOST_AHEAD = 32

_LOG = logging.getLogger("mulle.ray")

_clusters: dict[tuple[str, int], Cluster] = {}
_connecting = threading.Lock()


def connect(address: str, workers: int) -> Cluster:
    """The cluster at an address, connected once for this process.

    Raises:
        PipelineError: there is none.
    """
    with _connecting:
        found = _clusters.get((address, workers))
        if found is None:
            _init(address)
            atexit.register(disconnect)  # before Ray's own: it ends the process under threads that still call it
            found = _clusters[address, workers] = Cluster(workers)
        return found


def disconnect() -> None:
    """Let go of every cluster, and of Ray: for processes that go on without them."""
    with _connecting:
        for cluster in _clusters.values():
            cluster.stop()
        _clusters.clear()
        ray.shutdown()


def _init(address: str) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address not in {"", "auto"}:
        _reach(address)
    if ray.is_initialized():
        others = {known for known, _ in _clusters} - {address}
        if others:
            raise _unreachable(address, RuntimeError(f"this process uses another one: {', '.join(map(repr, others))}"))
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray_worker.print_to_stdstream = _log  # it prints what it hears of nodes on standard output, which is for programs
    try:
        ray.init(
            address=address or "local",
            namespace="mulle",
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=None if address else False,
        )
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from error


def _reach(address: str) -> None:
    """Say soon that nobody is there: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> PipelineError:
    told = os.environ.get("RAY_AUTH_MODE") == "token"
    return PipelineError(
        f"the Ray cluster at '{address}' cannot be reached",
        cause=str(error)
        + ("" if told else "; a cluster with a token lets in only those who run with RAY_AUTH_MODE=token"),
        cure='ray start --head, then [run] cluster = "HOST:6379" in mulle.toml',
    )


def _log(data: Mapping[str, Any], **_: Any) -> None:
    """What Ray hears of the cluster, as far as it is for those who look for it."""
    for line in data["lines"]:
        _LOG.debug("%s", line)


@dataclass(eq=False)
class Member:
    """A node that takes tasks."""

    id: str
    actor: Any
    cpus: int
    tasks: dict[str, Task] = field(default_factory=dict)

    def load(self) -> int:
        """How many cores its tasks ask for."""
        return sum(min(task.cpus, self.cpus) for task in self.tasks.values())


class Cluster:
    """The nodes, and the tasks on their way. Safe to use from several threads; kept until the process ends."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._changed = threading.Condition()
        self._queue: deque[tuple[str, Task]] = deque()
        self._futures: dict[str, Future[Outcome]] = {}
        self._members: dict[str, Member] = {}
        self._starting: set[str] = set()
        self._avoided: dict[str, float] = {}
        self._places: dict[str, int] = {}
        self._mean = 1.0
        self._busy_until = time.monotonic()
        self._stopped = False
        self._threads: list[threading.Thread] = []
        self._run(self._keep_nodes)
        self._run(self._hand_out)

    @property
    def capacity(self) -> int:
        """Cores of the nodes that take tasks; one while there is none yet."""
        with self._changed:
            return sum(member.cpus for member in self._members.values()) or 1

    @property
    def ahead(self) -> int:
        """How many tasks beyond the cores may be given: they wait here, and on the nodes where tasks are short."""
        return self.capacity * _MOST_AHEAD

    def stop(self) -> None:
        """End the work of this process on the cluster; no thread of ours calls it any more when this returns."""
        with self._changed:
            self._stopped = True
            members = list(self._members.values())
            self._members.clear()
            self._changed.notify_all()
        for member in members:
            _kill(member.actor)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def attach(self, place: str) -> None:
        """Somebody begins to use the cluster for a place."""
        with self._changed:
            self._places[place] = self._places.get(place, 0) + 1

    def detach(self, place: str) -> None:
        """Somebody is done: the tasks of the place end, and its workers where nobody else uses them."""
        with self._changed:
            self._places[place] -= 1
            if self._places[place]:
                return
            del self._places[place]
            members = list(self._members.values())
            queued = [task for where, task in self._queue if where == place]
            self._queue = deque(each for each in self._queue if each[0] != place)
        for task in queued:
            self._finish(_cancelled(task.step_run))
        for member in members:
            self._call(member, "release", place)

    def submit(self, place: str, task: Task) -> Future[Outcome]:
        """Hand in a task."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            self._futures[task.step_run] = future
            self._busy_until = time.monotonic()
            self._queue.append((place, task))
            self._changed.notify_all()
        return future

    def cancel(self, step_run: str, *, preempt: bool = False) -> None:
        """End a task soon: as cancelled, or as one that gives way to another."""
        with self._changed:
            queued = any(task.step_run == step_run for _, task in self._queue)
            self._queue = deque(each for each in self._queue if each[1].step_run != step_run)
            holder = next((member for member in self._members.values() if step_run in member.tasks), None)
        if queued:
            self._finish(_cancelled(step_run, "Preempted" if preempt else "Cancelled"))
        elif holder is not None:
            self._call(holder, "preempt" if preempt else "cancel", step_run)

    def _run(self, work: Callable[..., None], *args: Any) -> None:
        """Do something in a thread of its own."""
        thread = threading.Thread(target=work, args=args, name="mulle-ray", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    # -- tasks -------------------------------------------------------------------------------------------------------

    def _depth(self) -> int:
        return min(_MOST_AHEAD, int(_AHEAD_SECONDS / max(self._mean, 1e-4)))

    def _hand_out(self) -> None:
        """Give tasks to nodes as they come in; those that come in together go out together."""
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._taker() is not None, _LOOK_SECONDS)
            time.sleep(_GATHER_SECONDS)
            self._assign()

    def _taker(self) -> Member | None:
        """The least busy node, if it has room for the first task of the queue."""
        if not self._queue or not self._members:
            return None
        member = min(self._members.values(), key=lambda each: each.load() / each.cpus)
        wanted = member.load() + min(self._queue[0][1].cpus, member.cpus)
        return member if not member.tasks or wanted <= member.cpus * (1 + self._depth()) else None

    def _assign(self) -> None:
        """Give queued tasks to the nodes that have room for them, the least busy first; a node's in one call."""
        given: dict[tuple[Member, str], list[bytes]] = {}
        with self._changed:
            while (member := self._taker()) is not None:
                place, task = self._queue.popleft()
                member.tasks[task.step_run] = task
                given.setdefault((member, place), []).append(msgspec.msgpack.encode(task))
        for (member, place), tasks in given.items():
            self._call(member, "begin", place, tasks)

    def _call(self, member: Member, method: str, *args: Any) -> None:
        """Call a node and go on; one that is lost is noticed by the thread that fetches its outcomes."""
        with contextlib.suppress(RayError):
            getattr(member.actor, method).remote(*args)

    def _finish(self, outcome: Outcome) -> None:
        with self._changed:
            future = self._futures.pop(outcome.step_run, None)
        if future is not None:
            future.set_result(outcome)

    def _fetch(self, member: Member) -> None:
        """Fetch a node's outcomes until it is lost or let go."""
        decode = msgspec.msgpack.Decoder(Outcome).decode
        try:
            while member.id in self._members:
                answer = member.actor.harvest.remote(BEAT_SECONDS)
                found = [decode(data) for data in ray.get(answer, timeout=BEAT_SECONDS + PATIENCE_SECONDS)]
                with self._changed:
                    done = [outcome for outcome in found if member.tasks.pop(outcome.step_run, None) is not None]
                    for outcome in done:
                        self._busy_until = time.monotonic()
                        self._mean += (outcome.seconds - self._mean) * 0.1
                    if done:
                        self._changed.notify_all()
                for outcome in done:
                    self._finish(outcome)
        except SystemExit:  # Ray is shut down under us
            return
        except RayError as error:
            self._lose(member, _why(error))

    def _lose(self, member: Member, why: str) -> None:
        """A node is gone: its tasks fail, so that their runs begin them anew elsewhere."""
        with self._changed:
            if self._members.pop(member.id, None) is None:
                return
            self._avoided[member.id] = time.monotonic() + _AVOID_SECONDS
            lost = list(member.tasks.values())
            member.tasks.clear()
            self._changed.notify_all()
        for task in lost:
            message = f"the node that did it is lost: {why}"
            failure = Failure("NodeLost", message, f"the step '{task.name}'", message)
            self._finish(Outcome(step_run=task.step_run, failure=failure))
        self._run(_kill, member.actor)  # of a node that is cut off, nothing answers

    # -- nodes -------------------------------------------------------------------------------------------------------

    def _keep_nodes(self) -> None:
        """Take in new nodes while there is work, and let go of all when there is none for a while."""
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._stopped, _LOOK_SECONDS)
                idle = time.monotonic() - self._busy_until
                working = bool(self._queue) or any(member.tasks for member in self._members.values())
            if self._stopped or not ray.is_initialized():
                return
            if working:
                with contextlib.suppress(RayError):
                    self._join_new()
                time.sleep(_LOOK_SECONDS / 4)
            elif idle > (_IDLE_SECONDS if self._places else _LINGER_SECONDS):
                self._let_go()

    def _join_new(self) -> None:
        now = time.monotonic()
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        with self._changed:
            gone = [member for member in self._members.values() if member.id not in alive]
            known = {*self._members, *self._starting, *(node for node, until in self._avoided.items() if until > now)}
            new = [each for each in alive.values() if each["NodeID"] not in known and each["Resources"].get("CPU")]
            self._starting.update(node["NodeID"] for node in new)
        for member in gone:
            self._lose(member, "Ray says that it is dead")
        for node in new:
            self._run(self._join, node["NodeID"], node["Resources"]["CPU"])

    def _join(self, node: str, cpus: float) -> None:
        """Start the actor on a node, holding the cores that it will use, and fetch from it as long as it lives."""
        used = max(1, min(int(cpus), self._workers or int(cpus)))
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        options = {"num_cpus": used, "scheduling_strategy": where, "max_concurrency": 8, "max_restarts": 0}
        actor = None
        try:
            actor = ray.remote(Node).options(**options).remote(used, PATIENCE_SECONDS + 2 * BEAT_SECONDS)
            ray.get(actor.harvest.remote(0.0), timeout=_START_SECONDS)
        except RayError as error:
            _LOG.warning("node %s cannot be used: %s", node[:8], _why(error))
            with self._changed:
                self._avoided[node] = time.monotonic() + _AVOID_SECONDS
            _kill(actor)
            return
        finally:
            with self._changed:
                self._starting.discard(node)
        member = Member(node, actor, used)
        with self._changed:
            if self._stopped:
                return
            self._members[node] = member
            self._changed.notify_all()
        self._fetch(member)

    def _let_go(self) -> None:
        """Give the cores back to the cluster."""
        with self._changed:
            if self._queue or any(member.tasks for member in self._members.values()):
                return
            members = list(self._members.values())
            self._members.clear()
        for member in members:
            _kill(member.actor)


def _kill(actor: Any) -> None:
    with contextlib.suppress(RayError, ValueError):
        if actor is not None:
            ray.kill(actor)


def _cancelled(step_run: str, kind: str = "Cancelled") -> Outcome:
    message = "it was cancelled" if kind == "Cancelled" else "it gave way to a more important step"
    return Outcome(step_run=step_run, failure=Failure(kind, message, "", message, final=kind == "Cancelled"))


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"it has not answered for {PATIENCE_SECONDS:g} s"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
