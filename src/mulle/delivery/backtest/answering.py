"""Questions of history put to a deployment: the routing, models and log of serving, in process and without a socket."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mulle.delivery.backtest.questions import Answers, Places
from mulle.predictions.files import OUTPUT
from mulle.predictions.frames import CANARY, LIVE, SHADOW
from mulle.serving.routing import Router

if TYPE_CHECKING:
    from mulle.predictions import Predictions
    from mulle.serving import Deployments
    from mulle.serving.plan import DeploymentPlan, RevisionPlan


class ReplayedRequests:
    """Requests from history. Traffic changes only between turns, so what was asked between two is answered in one go.

    Args:
        deployment: the one that is asked.
        deployments: how its traffic is shared.
        predictions: where the answers are logged.
        answers: the questions, and what models say to them.
    """

    def __init__(self, deployment: str, deployments: Deployments, predictions: Predictions, answers: Answers) -> None:
        self._deployment = deployment
        self._deployments = deployments
        self._predictions = predictions
        self._answers = answers
        self._questions = answers.questions
        self._next = 0
        self._plan: tuple[int, DeploymentPlan | None] = (-1, None)
        self.failed = 0

    def answer(self, now: datetime) -> int:
        """Answer what was asked before `now`."""
        low, high = self._next, self._questions.before(now)
        self._next = high
        plan = self._planned()
        if plan is None or high <= low:
            return 0
        for number, places in self._routed(plan, low, high).items():
            revision = next(one for one in plan.revisions if one.number == number)
            role = LIVE if number == _primary(plan) else CANARY
            self._log(revision, role, places, low, high)
        for number in plan.shadow:
            revision = next(one for one in plan.revisions if one.number == number)
            self._log(revision, SHADOW, None, low, high)
        return high - low

    def _planned(self) -> DeploymentPlan | None:
        generation = self._deployments.generation()
        if self._plan[0] != generation:
            known = self._deployments.plan(self._deployment).deployments
            self._plan = (generation, known[0] if known else None)
        return self._plan[1]

    def _routed(self, plan: DeploymentPlan, low: int, high: int) -> dict[int, Places | None]:
        """Revision → the places of its questions; None for all."""
        router = Router(plan.name, plan.weights)
        if router.only is not None:
            return {router.only: None}
        chosen = np.array(router.revisions(self._questions.keys.slice(low, high - low).to_list()))
        return {int(number): np.flatnonzero(chosen == number) for number in np.unique(chosen)}

    def _log(self, revision: RevisionPlan, role: str, places: Places | None, low: int, high: int) -> None:
        try:
            outputs, scores = self._answers.of(revision, low, high)
            names = self._answers.signature(revision).names
        except Exception:  # noqa: BLE001 - a model may raise anything; as in the data plane, nothing is logged then
            self.failed += high - low if places is None else len(places)
            return
        rows = high - low
        said = {"deployment": self._deployment, "revision": revision.number, "model": revision.model, "role": role}
        told = [pl.Series(name, [value]).new_from_index(0, rows) for name, value in said.items()]
        told += [pl.Series("score", scores)]
        told += [_series(f"{OUTPUT}{name}", values) for name, values in outputs.items()]
        table = self._questions.asked(names).slice(low, rows).hstack(told)
        if role == SHADOW:
            table.replace_column(0, self._questions.shadow_ids.slice(low, rows).alias("id"))
        self._predictions.append(self._deployment, table if places is None else table[places])


def _series(name: str, values: Any) -> pl.Series:
    plain = values.ndim > 1 or values.dtype == object
    return pl.Series(name, values.tolist() if plain else values)


def _primary(plan: DeploymentPlan) -> int:
    return min(plan.weights, key=lambda number: (-plan.weights[number], number))
