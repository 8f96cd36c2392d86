"""The verbs of resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mulle.errors import UnknownNameError, UsageError, unknown
from mulle.resources import prices as money
from mulle.resources import records
from mulle.resources.admission import Admission
from mulle.resources.model import Cost, Past, ResourcesNow, Waste
from mulle.resources.waste import waste
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.config.resources import PricesSection, Resources

_WASTE_TIMES = 5000


class ResourceService:
    """Who uses what of the machine, who waits for what, what was wasted and what it cost."""

    plane = "resources"

    def __init__(
        self,
        catalog: Catalog,
        settings: Resources,
        prices: PricesSection,
        *,
        project: str,
        capacity: float = 0.0,
        answered: Callable[[str], tuple[int, float]] = lambda _: (0, 0.0),
    ) -> None:
        """Wire it.

        Args:
            catalog: where claims are recorded.
            settings: pools, queues, weights, quotas.
            prices: what an hour of anything costs.
            project: the project's name.
            capacity: how many cores the executor has.
            answered: of a model version (`delay@3`), how many answers it gave and in how many seconds.
        """
        self._catalog = catalog
        self._prices = prices
        self._answered = answered
        self._admission = Admission(settings, project, capacity=capacity)

    @verb("read")
    def show(self) -> ResourcesNow:
        """Who uses what now, who waits for what and why, and the projects' shares."""
        with self._catalog.read() as tx:
            return records.now(tx, self._admission)

    @verb("read")
    def history(
        self, limit: int = 50, project: str = "", user: str = "", pipeline: str = "", step: str = ""
    ) -> tuple[Past, ...]:
        """What was held and what was used of it, the newest first; of one project, user, pipeline or step if named."""
        named = {"project": project, "user": user, "pipeline": pipeline, "step": step}
        with self._catalog.read() as tx:
            return tuple(records.past(tx, limit, {name: value for name, value in named.items() if value}))

    @verb("read")
    def waste(self, limit: int = 50, project: str = "", pipeline: str = "") -> tuple[Waste, ...]:
        """Which steps ask for more than they use, the most wasteful first, and what they should ask for."""
        named = {"project": project, "pipeline": pipeline}
        with self._catalog.read() as tx:
            found = records.past(tx, _WASTE_TIMES, {name: value for name, value in named.items() if value})
        return tuple(waste(found, self._prices)[:limit])

    @verb("read")
    def cost(self, of: str) -> Cost:
        """What a run cost (its id, or `run:ID`), or all that taught a model version (`delay@3`, or `model:delay@3`).

        Of a model version also what it cost to answer with it, and what 1,000 predictions have cost so far.
        """
        kind, _, rest = of.rpartition(":")
        if kind not in {"", "run", "model"} or not rest:
            raise UsageError(
                f"'{of}' has no cost of its own",
                cause="a run costs something, and so does a model version",
                cure="mulle resources cost RUN, or mulle resources cost MODEL@N",
            )
        return self._of_model(rest) if kind == "model" or "@" in rest else self._of_run(rest)

    def _of_run(self, run: str) -> Cost:
        with self._catalog.read() as tx:
            name, found = records.of_run(tx, run)
        return money.cost(f"run:{name}", found, self._prices)

    def _of_model(self, version: str) -> Cost:
        try:
            with self._catalog.read() as tx:
                found, unrecorded = records.of_model(tx, f"model:{version}")
        except UnknownNameError as error:
            raise unknown("model version", version, [], cure="mulle models list") from error
        own = money.cost(f"model:{version}", found, self._prices, unrecorded=unrecorded)
        predictions, seconds = self._answered(version)
        answering = seconds / money.HOUR * self._prices.cpu_hour
        return _with(own, predictions, answering)


def _with(own: Cost, predictions: int, answering: float) -> Cost:
    told: dict[str, Any] = {name: getattr(own, name) for name in own.__struct_fields__}
    told |= {"predictions": predictions, "answering": answering}
    told |= {"per_thousand": money.per_thousand(own.cost, answering, predictions)}
    return Cost(**told)
