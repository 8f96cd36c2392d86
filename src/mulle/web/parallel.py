"""Trials as strands over parallel axes, one axis a parameter and the last one the objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mulle.tuning.space import Choice, Domain, Log, LogInt
from mulle.web import charts, formatting

if TYPE_CHECKING:
    from mulle.tuning.model import Study, Trial

MOST_AXES = 12
_TICKS = 5
_LOGARITHMIC = 50
"""How much greater the greatest of positive numbers is than the least where their axis is logarithmic."""


def strands(study: Study, trials: Sequence[Trial]) -> charts.Parallel | None:
    """The trials that have a value, each by its parameters; None where there is nothing to compare."""
    shown = [(trial, value) for trial in trials if (value := _value(trial)) is not None]
    names = list(study.question.space) or _varied([trial for trial, _ in shown])
    if len(shown) < 2 or not names:  # noqa: PLR2004
        return None
    scales = [
        _Scale(name, study.question.space.get(name), [trial.params.get(name) for trial, _ in shown])
        for name in names[:MOST_AXES]
    ]
    objective = _Scale(study.question.metrics[0], None, [value for _, value in shown])
    up = study.question.directions[0] == "maximize"
    lines = []
    for trial, value in shown:
        height = objective.place(value)
        good = 0.5 if height is None else height if up else 1 - height
        places = [*(scale.place(trial.params.get(scale.name)) for scale in scales), height]
        told = ", ".join(f"{name} {_shown(trial.params[name])}" for name in names if name in trial.params)
        label = f"{trial.number}: {formatting.number(value)} ({told})"
        lines.append(charts.Strand(places, good, label, trial.status, f"/runs/{trial.run}" if trial.run else ""))
    return charts.Parallel([*(scale.axis() for scale in scales), objective.axis()], lines)


def _shown(value: Any) -> str:
    return formatting.number(value) if isinstance(value, float) else str(value)


def _value(trial: Trial) -> float | None:
    if trial.values:
        found = trial.values[0]
    elif trial.reports:
        found = trial.reports[-1].value
    else:
        return None
    return found if math.isfinite(found) else None


def _varied(trials: Sequence[Trial]) -> list[str]:
    """The parameters that are not the same in all trials, those that most trials have first."""
    seen: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    for trial in trials:
        for name, value in trial.params.items():
            seen.setdefault(name, set()).add(repr(value))
            count[name] = count.get(name, 0) + 1
    varied = [name for name, values in seen.items() if len(values) > 1]
    return sorted(varied, key=lambda name: (-count[name], name))


class _Scale:
    """Where the values of one parameter are on its axis, from 0 at the bottom to 1 at the top."""

    def __init__(self, name: str, domain: Domain | None, values: Sequence[Any]) -> None:
        self.name = name
        there = [value for value in values if value is not None]
        if isinstance(domain, Choice):
            there = list(domain.options)
        numbers = [value for value in there if isinstance(value, int | float) and not isinstance(value, bool)]
        self._words: list[Any] = []
        if isinstance(domain, Choice) or len(numbers) < len(there) or not there:
            self._words = list(dict.fromkeys(there)) if isinstance(domain, Choice) else sorted(set(map(str, there)))
            return
        low, high = (min(numbers), max(numbers)) if domain is None else (domain.low, domain.high)
        wide = domain is None and low > 0 and high > _LOGARITHMIC * low
        self._log = wide or isinstance(domain, Log | LogInt)
        self._low, self._high = self._measured(low), self._measured(high)

    def place(self, value: Any) -> float | None:
        """Where a value is; None for one that is not there."""
        if value is None and None not in self._words:
            return None
        if self._words:
            places = {self._key(word): index for index, word in enumerate(self._words)}
            found = places.get(self._key(value), places.get(self._key(str(value))))
            return None if found is None else (found + 0.5) / len(self._words)
        if self._high == self._low:
            return 0.5
        return (self._measured(float(value)) - self._low) / (self._high - self._low)

    def axis(self) -> charts.Axis:
        """The axis with its ticks."""
        if self._words:
            return charts.Axis(self.name, [((i + 0.5) / len(self._words), str(w)) for i, w in enumerate(self._words)])
        ticks = []
        for index in range(_TICKS):
            place = index / (_TICKS - 1)
            value = self._low + place * (self._high - self._low)
            ticks.append((place, formatting.number(math.exp(value) if self._log else value)))
        return charts.Axis(self.name, ticks)

    def _measured(self, value: float) -> float:
        return math.log(value) if self._log else value

    @staticmethod
    def _key(value: Any) -> tuple[type, Any]:
        return type(value), value
