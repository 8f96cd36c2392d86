"""A recipe: which estimator with which settings over which encoding; the space of recipes and how one is changed."""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import msgspec

from mulle.tuning.automl.problem import Problem
from mulle.tuning.space import Choice, Domain, Int, Log, LogInt, Space, Uniform

Learner = Literal["lightgbm", "histogram", "extra_trees", "forest", "linear"]
Encoding = Literal["ordinal", "target", "both", "onehot"]
BOOSTED: tuple[Learner, ...] = ("lightgbm", "histogram")
FORESTS: tuple[Learner, ...] = ("extra_trees", "forest")
MOST_TREES = 800
_CHANCE_OF_FLIP = 0.15
_SPREAD = 0.22
_MOST = 0.7
"""Of a recipe's settings, how many are changed at once."""

SPACES: dict[Learner, Space] = {
    "lightgbm": {
        "learning_rate": Log(0.015, 0.25),
        "num_leaves": LogInt(4, 255),
        "min_child_samples": LogInt(3, 400),
        "colsample_bytree": Uniform(0.3, 1.0),
        "subsample": Uniform(0.5, 1.0),
        "reg_alpha": Log(1e-4, 30.0),
        "reg_lambda": Log(1e-4, 60.0),
        "max_bin": Choice((63, 127, 255)),
    },
    "histogram": {
        "learning_rate": Log(0.02, 0.3),
        "max_leaf_nodes": LogInt(4, 127),
        "min_samples_leaf": LogInt(5, 300),
        "l2_regularization": Log(1e-4, 30.0),
        "max_features": Uniform(0.3, 1.0),
    },
    "extra_trees": {
        "n_estimators": LogInt(50, 200),
        "min_samples_leaf": LogInt(2, 60),
        "max_features": Uniform(0.2, 1.0),
    },
    "forest": {"n_estimators": LogInt(50, 150), "min_samples_leaf": LogInt(2, 60), "max_features": Uniform(0.2, 1.0)},
    "linear": {"strength": Log(1e-3, 100.0)},
}
_DEFAULTS: dict[Learner, dict[str, Any]] = {
    "lightgbm": {
        "learning_rate": 0.08, "num_leaves": 31, "min_child_samples": 20, "colsample_bytree": 0.8, "subsample": 1.0,
        "reg_alpha": 1e-3, "reg_lambda": 0.1, "max_bin": 255,
    },
    "histogram": {
        "learning_rate": 0.1, "max_leaf_nodes": 31, "min_samples_leaf": 20, "l2_regularization": 0.01,
        "max_features": 1.0,
    },
    "extra_trees": {"n_estimators": 60, "min_samples_leaf": 8, "max_features": 0.5},
    "forest": {"n_estimators": 80, "min_samples_leaf": 5, "max_features": 0.5},
    "linear": {"strength": 1.0},
}  # fmt: skip


class Recipe(msgspec.Struct, frozen=True):
    """An estimator and what comes before it. Everything that a fit depends on but the rows."""

    learner: Learner
    encoding: Encoding
    settings: dict[str, Any]
    balanced: bool = False
    trend: bool = False
    """Whether it learns from parts of the time that do not come again."""
    trees: int = 0
    """How many trees a boosted learner has; 0 while that is found out by stopping early."""

    def flat(self) -> dict[str, Any]:
        """Everything by name, as a leaderboard shows it."""
        shown = {"learner": self.learner, "encoding": self.encoding, **self.settings}
        shown |= {name: True for name in ("balanced", "trend") if getattr(self, name)}
        return shown | ({"trees": self.trees} if self.trees else {})


class Kitchen:
    """Makes recipes for a problem, from a seed."""

    def __init__(self, problem: Problem, learners: tuple[Learner, ...]) -> None:
        self._problem = problem
        self._random = random.Random(problem.seed)  # noqa: S311 - a search, not a secret
        self.learners = learners

    def first(self) -> Recipe:
        """What is fitted at once, to have an answer."""
        return self._default("lightgbm" if "lightgbm" in self.learners else "histogram", trees=40)

    def portfolio(self) -> list[Recipe]:
        """What is known to be good without looking, the most promising first."""
        boosted: Learner = "lightgbm" if "lightgbm" in self.learners else "histogram"
        small = {
            "learning_rate": 0.05,
            "num_leaves": 15,
            "min_child_samples": 100,
            "colsample_bytree": 0.6,
            "reg_lambda": 5.0,
        }
        large = {
            "learning_rate": 0.04,
            "num_leaves": 31,
            "min_child_samples": 50,
            "colsample_bytree": 0.3,
            "subsample": 0.6,
        }
        found = [self._default(boosted)]
        if boosted == "lightgbm":
            found += [self._default(boosted, small), self._default(boosted, large)]
        if self._problem.categories:
            found.append(self._default(boosted, small if boosted == "lightgbm" else {}, encoding="target"))
        found += [self._default(one) for one in self.learners if one not in BOOSTED]
        if self._problem.trend:  # each view of the time early on: several of them vote in the end
            seen = [msgspec.structs.replace(one, trend=True) for one in found if one.learner != "linear"]
            forests = [one for one in [*found, *seen] if one.learner in FORESTS]
            found = [found[0], *seen[2:3], *forests, *found[1:], *seen]
            found = list({repr(one): one for one in found}.values())
        if self._problem.task == "binary" and self._problem.rarest < 0.2:  # noqa: PLR2004 - one in five
            found.append(msgspec.structs.replace(found[0], balanced=True))
        return found

    def fresh(self) -> Recipe:
        """A recipe drawn from the whole space; mostly boosted trees, which mostly win."""
        others = [one for one in self.learners if one not in BOOSTED]
        boosted = [one for one in self.learners if one in BOOSTED]
        pool = boosted[:1] * 8 + boosted[1:] + others
        learner = self._random.choice(pool)
        settings = {name: _drawn(domain, self._random) for name, domain in SPACES[learner].items()}
        return Recipe(learner, self._encoding(learner), settings, self._balanced(), self._trend())

    def changed(self, recipe: Recipe) -> Recipe:
        """A recipe near another one."""
        space = SPACES[recipe.learner]
        settings = {
            name: _moved(domain, recipe.settings[name], self._random)
            if self._random.random() < _MOST
            else recipe.settings[name]
            for name, domain in space.items()
        }
        encoding, balanced = recipe.encoding, recipe.balanced
        if self._random.random() < _CHANCE_OF_FLIP:
            encoding = self._encoding(recipe.learner)
        if self._random.random() < _CHANCE_OF_FLIP:
            balanced = self._balanced()
        trend = self._trend() if self._random.random() < _CHANCE_OF_FLIP else recipe.trend
        return Recipe(recipe.learner, encoding, settings, balanced, trend)

    def pick(self, recipes: list[Recipe]) -> Recipe:
        """One of the best, the better the more likely."""
        place = min(int(self._random.expovariate(1.0)), len(recipes) - 1)
        return recipes[place]

    def explores(self, share: float) -> bool:
        """Whether to look elsewhere this time, with this chance."""
        return self._random.random() < share

    def _default(
        self,
        learner: Learner,
        changes: dict[str, Any] | None = None,
        *,
        encoding: Encoding | None = None,
        trees: int = 0,
    ) -> Recipe:
        usual: Encoding = "onehot" if learner == "linear" else "ordinal"
        settings = {**_DEFAULTS[learner], **(changes or {})}
        return Recipe(learner, encoding or usual, settings, balanced=False, trees=trees)

    def _encoding(self, learner: Learner) -> Encoding:
        if not self._problem.categories:
            return "ordinal"
        return self._random.choice(["onehot", "target"] if learner == "linear" else ["ordinal", "target", "both"])

    def _trend(self) -> bool:
        return bool(self._problem.trend) and self._random.random() < 0.5  # noqa: PLR2004 - as often as not

    def _balanced(self) -> bool:
        if self._problem.task == "regression" or self._problem.metric in {"log_loss", "brier"}:
            return False
        return self._problem.rarest < 0.3 and self._random.random() < 0.25  # noqa: PLR2004 - where it may help


def _drawn(domain: Domain, chance: random.Random) -> Any:
    match domain:
        case Choice(options):
            return chance.choice(options)
        case Log(low, high):
            return _short(math.exp(chance.uniform(math.log(low), math.log(high))))
        case LogInt(low, high):
            return round(math.exp(chance.uniform(math.log(low), math.log(high))))
        case Int(low, high, step):
            return chance.randrange(low, high + 1, step)
        case Uniform(low, high):
            return _short(chance.uniform(low, high))
    raise AssertionError(domain)


def _moved(domain: Domain, value: Any, chance: random.Random) -> Any:
    """A value near another one, in the domain's own measure."""
    match domain:
        case Choice(options):
            return chance.choice(options) if chance.random() < _CHANCE_OF_FLIP else value
        case Log(low, high) | LogInt(low, high):
            width = math.log(high) - math.log(low)
            moved = min(high, max(low, math.exp(math.log(max(value, low)) + chance.gauss(0, _SPREAD * width))))
            return round(moved) if isinstance(domain, LogInt) else _short(moved)
        case Int(low, high) | Uniform(low, high):
            moved = min(high, max(low, value + chance.gauss(0, _SPREAD * (high - low))))
            return round(moved) if isinstance(domain, Int) else _short(moved)
    raise AssertionError(domain)


def _short(value: float) -> float:
    """Three significant digits: what people would write."""
    return float(f"{value:.3g}")
