"""Which parameters to try next, and which trials to end: Optuna's samplers and pruners over a study's log.

What a sampler draws for a trial depends on the study's seed, the trial's number and the trials before it, and on
nothing else: a study that is killed and goes on tries the same parameters as one that was not.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import TrialState

from mulle.errors import TuningError, UsageError
from mulle.tuning.facts import Returned
from mulle.tuning.space import Choice, Domain, Log, LogInt, Scalar, Space, Uniform
from mulle.tuning.storage import FullError, StudyStorage, distribution_of

if TYPE_CHECKING:
    from mulle.clock import Clock
    from mulle.tuning.log import StudyLog
    from mulle.tuning.model import Manner, Question

optuna.logging.set_verbosity(optuna.logging.WARNING)
_MANY = 1_000_000
_GOLDEN = 0x9E3779B9
_LONGEST = "mulle:longest"
_FIRST_RUNG = 9
_REDUCTION = 3


@dataclass(frozen=True)
class Asked:
    """A trial that is to be run, and its parameters."""

    number: int
    params: dict[str, Any]


class Search:
    """A study as Optuna searches it. Safe to use from several threads."""

    def __init__(
        self, name: str, log: StudyLog, question: Question, manner: Manner, clock: Clock, *, most: int
    ) -> None:
        space = question.space
        self.size = _size(space) if manner.sampler == "grid" else _MANY
        self._log = log
        self._space = {name: distribution_of(domain) for name, domain in space.items()}
        self.storage = StudyStorage(name, log, question, clock, most=min(most, self.size))
        sampler, pruner = sampler_of(manner, space), pruner_of(manner, len(question.metrics))
        self._study = optuna.load_study(study_name=name, storage=self.storage, sampler=sampler, pruner=pruner)
        self._prunes = not isinstance(pruner, NopPruner)
        self._lock = threading.Lock()

    def ask(self) -> Asked | None:
        """The next trial, begun: one that waits, else a new one; None when the study has all its trials."""
        with self._lock:
            try:
                trial = self._study.ask(self._space)
            except FullError:
                return None
            self.storage.flush(trial.number)
            return Asked(trial.number, dict(trial.params))

    def heard(self, number: int, step: int, value: float) -> bool:
        """Take a value that a trial told on its way; whether the trial is to end."""
        with self._lock:
            try:
                self.storage.set_trial_intermediate_value(number, step, value)
            except optuna.exceptions.UpdateFinishedTrialError:
                return True
            return self._prunes and bool(self._study.pruner.prune(self._study, self.storage.get_trial(number)))

    def complete(self, number: int, values: Sequence[float]) -> None:
        """A trial came to its end."""
        self._tell(number, TrialState.COMPLETE, values)

    def pruned(self, number: int) -> None:
        """A trial was ended early."""
        self._tell(number, TrialState.PRUNED)

    def failed(self, number: int, error: str) -> None:
        """A trial failed."""
        self.storage.set_trial_user_attr(number, "error", error)
        self._tell(number, TrialState.FAIL)

    def give_back(self, number: int) -> None:
        """Let a trial that this process does not finish wait for the next one."""
        self._log.append(Returned(number))

    def _tell(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        with self._lock:
            self._study.tell(number, values=values, state=state)


def sampler_of(manner: Manner, space: Space) -> BaseSampler:
    """The sampler of that name.

    Raises:
        UsageError: it needs a grid, and a domain has no steps.
        TuningError: a library that it needs is not installed.
    """
    seed = manner.seed
    if manner.sampler == "grid":
        return _Grid(space, seed)
    if manner.sampler == "qmc":
        return _quietly(lambda: QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False))
    return _ByNumber(seed, lambda drawn: _fresh(manner, drawn))


def pruner_of(manner: Manner, objectives: int = 1) -> BasePruner:
    """The pruner of that name; none where there are several objectives."""
    if objectives > 1 or manner.pruner == "none":
        return NopPruner()
    if manner.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, reduction_factor=3)
    if manner.pruner == "median":
        return MedianPruner(n_startup_trials=5)
    return _Asha()


class _Asha(BasePruner):
    """Asynchronous successive halving (Li et al., MLSys 2020), whose first rung is a ninth of a whole trial.

    How long a trial is, is known from the first one that is complete; it stays so for the study. A first step says too
    little: with it as the first rung, what learns slowly and well is lost.
    """

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        longest = study._storage.get_study_system_attrs(study._study_id).get(_LONGEST)  # noqa: SLF001 - as its own do
        if longest is None:
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            longest = max((one.last_step for one in complete if one.last_step is not None), default=None)
            if longest is None:
                return False
            study._storage.set_study_system_attr(study._study_id, _LONGEST, longest)  # noqa: SLF001 - as above
        halving = SuccessiveHalvingPruner(min_resource=max(1, longest // _FIRST_RUNG), reduction_factor=_REDUCTION)
        return bool(halving.prune(study, trial))


def _fresh(manner: Manner, seed: int) -> BaseSampler:
    made: Mapping[str, Callable[[], BaseSampler]] = {
        "random": lambda: RandomSampler(seed=seed),
        "tpe": lambda: TPESampler(seed=seed),
        "nsga2": lambda: NSGAIISampler(seed=seed),
        "nsga3": lambda: NSGAIIISampler(seed=seed),
        "cmaes": lambda: CmaEsSampler(seed=seed, warn_independent_sampling=False),
        "gp": lambda: GPSampler(seed=seed),
    }
    try:
        return _quietly(made[manner.sampler])
    except ImportError as error:
        raise TuningError(
            f"the sampler '{manner.sampler}' cannot be used",
            cause=str(error).partition("\n")[0],
            cure="pip install cmaes" if manner.sampler == "cmaes" else "pip install scipy torch",
        ) from error


def _quietly(make: Callable[[], BaseSampler]) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a sampler is experimental is said in its documentation
        return make()


class _ByNumber(BaseSampler):
    """Another sampler, made anew for each trial with a seed of the trial's own."""

    def __init__(self, seed: int, make: Callable[[int], BaseSampler]) -> None:
        self._seed = seed
        self._make = make
        self._made: dict[int, BaseSampler] = {}
        make(0)  # what is missing is missed now

    def _of(self, trial: optuna.trial.FrozenTrial) -> BaseSampler:
        if trial.number not in self._made:
            self._made[trial.number] = self._make((self._seed * _GOLDEN + trial.number) % 2**32)
        return self._made[trial.number]

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        return dict(self._of(trial).infer_relative_search_space(study, trial))

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: Any
    ) -> dict[str, Any]:
        return dict(self._of(trial).sample_relative(study, trial, search_space))

    def sample_independent(self, study: optuna.Study, trial: optuna.trial.FrozenTrial, name: str, domain: Any) -> Any:
        return self._of(trial).sample_independent(study, trial, name, domain)

    def after_trial(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._of(trial).after_trial(study, trial, state, values)
        self._made.pop(trial.number, None)


class _Grid(BaseSampler):
    """Every combination once, in an order drawn from the seed: a trial's number says which is its."""

    def __init__(self, space: Space, seed: int) -> None:
        values = [grid_of(name, domain) for name, domain in space.items()]
        self._combinations = [dict(zip(space, each, strict=True)) for each in itertools.product(*values)]
        random.Random(seed).shuffle(self._combinations)  # noqa: S311 - an order, not a secret

    def infer_relative_search_space(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: optuna.trial.FrozenTrial,  # noqa: ARG002
        search_space: Any,  # noqa: ARG002
    ) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: optuna.Study, trial: optuna.trial.FrozenTrial, name: str, domain: Any) -> Any:  # noqa: ARG002
        return self._combinations[trial.number % len(self._combinations)][name]


def _size(space: Space) -> int:
    size = math.prod(len(grid_of(name, domain)) for name, domain in space.items())
    if size > _MANY:
        raise UsageError(
            f"the grid has {size:,} combinations", cause=f"at most {_MANY:,} can be tried", cure="--sampler tpe"
        )
    return size


def grid_of(name: str, domain: Domain) -> list[Scalar]:
    """All values of a domain.

    Raises:
        UsageError: there is no end of them.
    """
    if isinstance(domain, Choice):
        return list(domain.options)
    step = getattr(domain, "step", 1)
    if isinstance(domain, Log) or (isinstance(domain, Uniform) and step is None):
        raise UsageError(
            f"the grid has no steps for {name}",
            cause="a domain of numbers holds more than can be tried",
            cure=f'give it steps: --space "{name}=uniform({domain.low:g},{domain.high:g},0.1)", or use choice(…)',
        )
    count = int((domain.high - domain.low) / step + 1e-9) + 1
    if count > _MANY:
        raise UsageError(f"{name} has {count:,} values", cause="a grid tries them all", cure="--sampler tpe")
    whole = not isinstance(domain, Uniform)
    assert isinstance(domain, Uniform | LogInt) or whole
    return [int(domain.low + i * step) if whole else domain.low + i * step for i in range(count)]
