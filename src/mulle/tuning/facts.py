"""What a study's log says: one fact after the other, and the state that they add up to.

A fact names the trial that it is about by its number. Facts of different processes are in one order, that of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from mulle.resources.process import Process
from mulle.tuning.model import OVER, Report, Trial, TrialStatus
from mulle.tuning.space import Domain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Began(msgspec.Struct, frozen=True, tag="b", array_like=True):
    """A trial runs: a new one, or one that waited. `at` in microseconds since 1970."""

    number: int
    process: Process
    at: int


class Queued(msgspec.Struct, frozen=True, tag="q", array_like=True):
    """A new trial waits for somebody to run it."""

    number: int


class Chosen(msgspec.Struct, frozen=True, tag="c", array_like=True):
    """A trial's parameter has this value, chosen from this domain."""

    number: int
    name: str
    value: bool | int | float | str | None
    domain: Domain


class Told(msgspec.Struct, frozen=True, tag="t", array_like=True):
    """A value of a trial on its way."""

    number: int
    step: int
    value: float


class Noted(msgspec.Struct, frozen=True, tag="n", array_like=True):
    """An attribute of a trial, or of the study (number -1): the search's own, or its user's."""

    number: int
    own: bool
    key: str
    value: Any


class Ran(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """A trial is this run."""

    number: int
    run: str


class Ended(msgspec.Struct, frozen=True, tag="e", array_like=True):
    """A trial is over. `at` in microseconds since 1970."""

    number: int
    status: Literal["complete", "pruned", "failed"]
    values: list[float]
    at: int
    error: str = ""


class Returned(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """A trial that was not finished waits again, with its parameters: its process is gone, or was told to stop."""

    number: int


class Joined(msgspec.Struct, frozen=True, tag="j", array_like=True):
    """A process works at the study."""

    process: Process


class Left(msgspec.Struct, frozen=True, tag="l", array_like=True):
    """A process works at the study no more."""

    process: Process


class Stopped(msgspec.Struct, frozen=True, tag="s", array_like=True):
    """Somebody asked those who work at the study now to stop."""


Fact: TypeAlias = Began | Queued | Chosen | Told | Noted | Ran | Ended | Returned | Joined | Left | Stopped

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Fact).decode


def microseconds(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _instant(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


@dataclass
class Attempt:
    """A trial as the facts so far tell it."""

    number: int
    status: TrialStatus = "waiting"
    params: dict[str, Any] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    reports: dict[int, float] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    process: Process | None = None
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    changed: int = 0
    """Where in the log the last fact about it ends."""

    @property
    def over(self) -> bool:
        return self.status in OVER

    def record(self) -> Trial:
        """As it is shown."""
        return Trial(
            number=self.number,
            status=self.status,
            params=dict(self.params),
            values=list(self.values),
            reports=[Report(step, value) for step, value in self.reports.items()],
            run=self.run,
            started=self.started,
            ended=self.ended,
            error=self.error,
            attributes=dict(self.notes),
        )


class History:
    """The state of a study: what its facts add up to, in the order in which they are applied."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.own: dict[str, Any] = {}
        self.notes: dict[str, Any] = {}
        self.workers: list[Process] = []
        self.waiting: set[int] = set()
        self.stops = 0

    def apply(self, fact: Fact) -> int:
        """Take a fact in; the number of the trial that it changes, -1 where it changes none."""
        match fact:
            case Joined(process):
                self.workers.append(process)
            case Left(process):
                self.workers = [one for one in self.workers if one != process]
            case Stopped():
                self.stops += 1
            case Noted(-1, own, key, value):
                (self.own if own else self.notes)[key] = value
            case _:
                self._about_trial(fact)
                return fact.number
        return -1

    def _about_trial(self, fact: Any) -> None:
        while fact.number >= len(self.attempts):
            self.attempts.append(Attempt(len(self.attempts)))
        attempt = self.attempts[fact.number]
        if attempt.over:  # what comes too late, as from a process that was thought dead, changes nothing
            return
        match fact:
            case Chosen(_, name, value, domain):
                attempt.params[name], attempt.domains[name] = value, domain
            case Told(_, step, value):
                attempt.reports[step] = value
            case Noted(_, own, key, value):
                (attempt.own if own else attempt.notes)[key] = value
            case Ran(_, run):
                attempt.run = run
            case _:
                self._of_its_course(attempt, fact)

    def _of_its_course(self, attempt: Attempt, fact: Began | Queued | Ended | Returned) -> None:
        match fact:
            case Began(_, process, at):
                attempt.status, attempt.process, attempt.started = "running", process, _instant(at)
                attempt.reports = {}
            case Ended(_, status, values, at, error):
                attempt.status, attempt.values, attempt.ended, attempt.error = status, values, _instant(at), error
            case Queued() | Returned():
                attempt.status, attempt.process = "waiting", None
        if attempt.status == "waiting":
            self.waiting.add(attempt.number)
        else:
            self.waiting.discard(attempt.number)
