"""A study's log as Optuna's storage: its samplers and pruners see the trials of all processes that work at the study.

    optuna.load_study(study_name=name, storage=StudyStorage(log, question, clock), sampler=…)

One storage holds one study. A trial's id is its number. Parameters are appended with the next thing that is told of
their trial (a value, its end, `flush`): until then they are known in this process only.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from mulle.resources.process import this_process
from mulle.tuning.facts import Attempt, Began, Chosen, Ended, Fact, History, Noted, Queued, Told, microseconds
from mulle.tuning.space import Choice, Domain, Int, Log, LogInt, Uniform

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.tuning.log import StudyLog
    from mulle.tuning.model import Question, TrialStatus

_STATES: dict[TrialStatus, TrialState] = {
    "waiting": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_STATUSES = {state: status for status, state in _STATES.items()}
_DIRECTIONS = {"maximize": StudyDirection.MAXIMIZE, "minimize": StudyDirection.MINIMIZE}
_STUDY = 0
_NEARLY = 1e-9


class FullError(Exception):
    """The study has as many trials as it was to have."""


class StudyStorage(BaseStorage):
    """Optuna's storage over a study's log. Safe to use from several threads, and from several processes at once."""

    def __init__(self, name: str, log: StudyLog, question: Question, clock: Clock, *, most: int | None = None) -> None:
        """Wire a storage.

        Args:
            name: the study's.
            log: where its trials are; opened by this process.
            question: what it asks.
            clock: when trials begin and end.
            most: how many trials it may have; `FullError` is raised when another one is begun.
        """
        self._name = name
        self._log = log
        self._directions = [_DIRECTIONS[one] for one in question.directions]
        self._clock = clock
        self._most = most
        self._unwritten: dict[int, list[Fact]] = {}
        self._frozen: dict[int, FrozenTrial] = {}
        self._best: tuple[int, int] = (-1, 0)
        """The best complete trial, and how many trials were looked at to find it."""

    # -- the study ---------------------------------------------------------------------------------------------------

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        raise DuplicatedStudyError(f"this storage holds the study '{self._name}' only, not {study_name} {directions}")

    def delete_study(self, study_id: int) -> None:
        raise NotImplementedError(f"the study {study_id} is kept")

    def get_study_id_from_name(self, study_name: str) -> int:
        if study_name != self._name:
            raise KeyError(study_name)
        return _STUDY

    def get_study_name_from_id(self, study_id: int) -> str:
        self._check(study_id)
        return self._name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        self._check(study_id)
        return list(self._directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        self._check(study_id)
        return copy.deepcopy(self._history().notes)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        self._check(study_id)
        return copy.deepcopy(self._history().own)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._check(study_id)
        self._log.append(Noted(-1, False, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._check(study_id)
        self._log.append(Noted(-1, True, key, value))

    def get_all_studies(self) -> list[FrozenStudy]:
        history = self._history()
        return [
            FrozenStudy(self._name, None, dict(history.notes), dict(history.own), _STUDY, directions=self._directions)
        ]

    # -- trials: what changes them -----------------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self._check(study_id)
        at, process, most = microseconds(self._clock.now()), this_process(), self._most

        def begin(history: History) -> list[Fact]:
            number = len(history.attempts)
            if most is not None and number >= most:
                raise FullError
            if template_trial is None:
                return [Began(number, process, at)]
            return _template(number, template_trial, at)

        facts = self._log.decide(begin)
        return int(getattr(facts[0], "number"))  # noqa: B009 - every fact here has one

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        value = distribution.to_external_repr(param_value_internal)
        fact = Chosen(trial_id, param_name, value, domain_of(distribution))
        with self._log.lock:
            self._attempt(trial_id, changing=True)
            self._unwritten.setdefault(trial_id, []).append(fact)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        at = microseconds(self._clock.now())
        status = _STATUSES[state]
        if status == "running":
            return self._take(trial_id, at)
        with self._log.lock:
            self._attempt(trial_id, changing=True)
            error = str(self._log.history.attempts[trial_id].notes.get("error", ""))
            told = list(values or ())
            last: Fact = Queued(trial_id) if status == "waiting" else Ended(trial_id, status, told, at, error)
            self._write(trial_id, last)
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        with self._log.lock:
            self._attempt(trial_id, changing=True)
            self._write(trial_id, Told(trial_id, step, float(intermediate_value)))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._note(trial_id, key, value, own=False)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._note(trial_id, key, value, own=True)

    def flush(self, trial_id: int) -> None:
        """Let other processes know the parameters that were chosen for a trial."""
        with self._log.lock:
            self._write(trial_id)

    # -- trials: what they are ---------------------------------------------------------------------------------------

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with self._log.lock:
            self._attempt(trial_id)
            return self._freeze(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        self._check(study_id)
        with self._log.lock:
            history = self._history()
            if states == (TrialState.WAITING,):
                numbers: Sequence[int] = sorted(history.waiting)
            else:
                wanted = None if states is None else {status for status, one in _STATES.items() if one in states}
                numbers = [one.number for one in history.attempts if wanted is None or one.status in wanted]
            found = [self._freeze(number) for number in numbers]
        return copy.deepcopy(found) if deepcopy else found

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        self._check(study_id)
        if len(self._directions) > 1:
            raise RuntimeError("a study of several objectives has no single best trial")
        with self._log.lock:
            best = max(
                (one for one in self._history().attempts if one.status == "complete"),
                key=lambda one: one.values[0] if self._directions[0] == StudyDirection.MAXIMIZE else -one.values[0],
                default=None,
            )
            if best is None:
                raise ValueError("no trial is complete yet")
            return self._freeze(best.number)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        self._check(study_id)
        self._attempt(trial_number)
        return trial_number

    # -- parts -------------------------------------------------------------------------------------------------------

    def _history(self) -> History:
        self._log.refresh()
        return self._log.history

    def _check(self, study_id: int) -> None:
        if study_id != _STUDY:
            raise KeyError(study_id)

    def _attempt(self, number: int, *, changing: bool = False) -> Attempt:
        attempts = self._log.history.attempts
        if not 0 <= number < len(attempts):
            attempts = self._history().attempts
            if not 0 <= number < len(attempts):
                raise KeyError(number)
        if changing and attempts[number].over:
            raise UpdateFinishedTrialError(f"trial {number} is over")
        return attempts[number]

    def _take(self, number: int, at: int) -> bool:
        """Begin a trial that waits; False where another one was faster."""
        process = this_process()

        def begin(history: History) -> list[Fact]:
            return [Began(number, process, at)] if number in history.waiting else []

        return bool(self._log.decide(begin))

    def _note(self, number: int, key: str, value: Any, *, own: bool) -> None:
        with self._log.lock:
            self._attempt(number, changing=True)
            self._write(number, Noted(number, own, key, value))

    def _write(self, number: int, *facts: Fact) -> None:
        written = [*self._unwritten.pop(number, ()), *facts]
        if written:
            self._log.append(*written)

    def _freeze(self, number: int) -> FrozenTrial:
        """The trial as Optuna has it; those that are over are made once."""
        known = self._frozen.get(number)
        if known is not None:
            return known
        attempt = self._log.history.attempts[number]
        made = _frozen(attempt)
        for fact in self._unwritten.get(number, ()):
            if isinstance(fact, Chosen):
                made.params[fact.name], made.distributions[fact.name] = fact.value, distribution_of(fact.domain)
        if attempt.over:
            self._frozen[number] = made
        return made


def distribution_of(domain: Domain) -> BaseDistribution:
    """The domain as Optuna has it."""
    match domain:
        case Uniform(low, high, step):
            last = high if step is None else low + int((high - low) / step + _NEARLY) * step
            return FloatDistribution(low, last, step=step)
        case Log(low, high):
            return FloatDistribution(low, high, log=True)
        case Int(low, high, step):
            return IntDistribution(low, high - (high - low) % step, step=step)
        case LogInt(low, high):
            return IntDistribution(low, high, log=True)
        case Choice(options):
            return CategoricalDistribution(options)


def domain_of(distribution: BaseDistribution) -> Domain:
    """The inverse of `distribution_of`."""
    if isinstance(distribution, CategoricalDistribution):
        return Choice(tuple(distribution.choices))
    if isinstance(distribution, IntDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return LogInt(low, high) if distribution.log else Int(low, high, step)
    assert isinstance(distribution, FloatDistribution)
    if distribution.log:
        return Log(distribution.low, distribution.high)
    return Uniform(distribution.low, distribution.high, distribution.step)


def _frozen(attempt: Attempt) -> FrozenTrial:
    return FrozenTrial(
        number=attempt.number,
        state=_STATES[attempt.status],
        value=None,
        values=list(attempt.values) or None,
        datetime_start=attempt.started,
        datetime_complete=attempt.ended,
        params=dict(attempt.params),
        distributions={name: distribution_of(domain) for name, domain in attempt.domains.items()},
        user_attrs=dict(attempt.notes),
        system_attrs=dict(attempt.own),
        intermediate_values=dict(attempt.reports),
        trial_id=attempt.number,
    )


def _template(number: int, given: FrozenTrial, at: int) -> list[Fact]:
    """The facts of a trial that comes with what it is, as from `enqueue_trial` and `add_trial`."""
    facts: list[Fact] = [Queued(number) if given.state == TrialState.WAITING else Began(number, this_process(), at)]
    facts += [Chosen(number, name, value, domain_of(given.distributions[name])) for name, value in given.params.items()]
    facts += [Told(number, step, value) for step, value in given.intermediate_values.items()]
    facts += [Noted(number, False, key, value) for key, value in given.user_attrs.items()]
    facts += [Noted(number, True, key, value) for key, value in given.system_attrs.items()]
    if given.state.is_finished():
        facts.append(Ended(number, _STATUSES[given.state], list(given.values or ()), at))  # type: ignore[arg-type]
    return facts
