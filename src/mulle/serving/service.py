"""The verbs of serving."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from mulle.catalog import Catalog
from mulle.errors import ServingError
from mulle.predictions import PredictionLog
from mulle.registry import Registry
from mulle.serving import changes
from mulle.serving.model import Deployment, Endpoint, Revision, Traffic
from mulle.serving.plan import DeploymentPlan, Plan, RevisionPlan, ViewPlan
from mulle.serving.replay import TablePlane
from mulle.verbs import verb

if TYPE_CHECKING:
    import polars as pl

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
AllDeployments: TypeAlias = list[Deployment]
History: TypeAlias = list[Traffic]


class Deployments:
    """Revisions and traffic of served endpoints. Changing them here changes what answers: servers follow the catalog.

    Args:
        catalog: where they are recorded.
        registry: the models.
        state: a folder where servers say what they serve.
        prepare: whether engines are chosen for deployed models; in a backtest their own library answers.
        log: where `predict_table` logs.
    """

    plane = "deployments"

    def __init__(
        self,
        catalog: Catalog,
        registry: Registry,
        state: Path,
        *,
        prepare: bool = True,
        log: PredictionLog | None = None,
    ) -> None:
        self.catalog = catalog
        self.registry = registry
        self.state = state
        self.prepare = prepare
        self._tables = TablePlane(registry, log, catalog.ids) if log is not None else None

    @verb("read")
    def list(self) -> AllDeployments:
        """Every deployment."""
        with self.catalog.read() as tx:
            found = [changes.load(tx, name) for name in changes.names(tx)]
        return [self._with_endpoint(one) for one in found]

    @verb("read")
    def show(self, name: str) -> Deployment:
        """One deployment: traffic, revisions, and where it answers."""
        with self.catalog.read() as tx:
            found = changes.load(tx, name)
        return self._with_endpoint(found)

    @verb("read")
    def history(self, name: str) -> History:
        """How the deployment's traffic was shared, the newest first."""
        with self.catalog.read() as tx:
            changes.load(tx, name)
            return changes.history(tx, name)

    @verb("write")
    def deploy(self, name: str, model_version: str = "", share: float = 100.0, reason: str = "") -> Revision:
        """Serve a model version: `delay@3`, `delay@champion` or `delay` (the newest).

        Without one it is the champion, or else the newest version, of the deployment's model. It gets `share` percent
        of the traffic; the others keep the rest. The first revision gets everything. With share 0 it only becomes
        ready, to be used by `traffic`. The same version again is the same revision.
        """
        _check_name(name)
        version = self.registry.show(model_version or self._default(name))
        if self.prepare:
            self.registry.prepare(version)
        with self.catalog.write() as tx:
            made = changes.revision_for(tx, name, version)
            now = changes.current(tx, name)
            weights = changes.shared(now, made.number, share)
            shadow = [one for one in (now.shadow if now else []) if one != made.number]
            idle = now is not None and not changes.load(tx, name).active
            if now is None or idle or weights != now.weights or shadow != now.shadow:
                changes.route(tx, name, weights, shadow, reason=reason)
            return made

    @verb("write")
    def traffic(self, name: str, weights: dict[int, float], shadow: Sequence[int] = (), reason: str = "") -> Traffic:
        """Share requests among revisions by weight; `shadow` revisions answer too, but only into the log."""
        with self.catalog.write() as tx:
            known = [one.number for one in changes.load(tx, name).revisions]
            kept = changes.checked(weights, shadow, known, name)
            beside = [one for one in shadow if one not in kept]
            current = changes.history(tx, name, limit=1)[0]
            if current.weights == kept and current.shadow == sorted(beside):
                return current
            return changes.route(tx, name, kept, beside, reason=reason)

    @verb("write")
    def rollback(self, name: str, reason: str = "") -> Traffic:
        """Go back to the revision that answered alone before; on a canary, end it."""
        with self.catalog.write() as tx:
            changes.load(tx, name)
            former = changes.before(changes.history(tx, name))
            if former is None:
                raise ServingError(
                    f"'{name}' has nothing to go back to",
                    cause="no other revision has answered alone before",
                    cure=f"mulle deployments show {name}",
                )
            return changes.route(tx, name, former.weights, [], reason=reason, restores=former.entry)

    @verb("write")
    def undeploy(self, name: str, reason: str = "") -> Deployment:
        """Stop answering; revisions, traffic and predictions stay on record. `deploy` starts it again."""
        with self.catalog.write() as tx:
            changes.withdraw(tx, name, reason)
            return changes.load(tx, name)

    def predict_table(self, name: str, rows: pl.DataFrame, at: datetime | str | None = None) -> pl.DataFrame:
        """Answer every row of a table in process, as if each had been requested, and log the answers.

        Args:
            name: the deployment.
            rows: its models' input columns and the key's.
            at: the instant of the requests, or the column that has it for each row; now where it is not given.
        """
        if self._tables is None:
            raise ServingError(
                "there is no prediction log", cause="every answer is logged", cure="construct Deployments with a log"
            )
        with self.catalog.read() as tx:
            one = changes.load(tx, name)
        return self._tables.predict(one, rows, self.catalog.clock.now() if at is None else at)

    def names(self) -> Sequence[str]:
        """The deployments there are."""
        with self.catalog.read() as tx:
            return changes.names(tx)

    def generation(self) -> int:
        """A number that grows with every change of any deployment."""
        with self.catalog.read() as tx:
            return changes.generation(tx)

    def plan(self, only: str | None = None) -> Plan:
        """What workers must serve now, with every model it needs unpacked on this machine.

        Args:
            only: one deployment; all active ones where it is not given.
        """
        with self.catalog.read() as tx:
            generation = changes.generation(tx)
            chosen = [changes.load(tx, name) for name in (changes.names(tx) if only is None else [only])]
        return Plan(generation, [self._planned(one) for one in chosen if one.active])

    def _planned(self, one: Deployment) -> DeploymentPlan:
        numbers = sorted({*one.traffic.weights, *one.traffic.shadow})
        inputs = self.registry.show(one.live.model_ref).inputs
        return DeploymentPlan(
            name=one.name,
            entry=one.traffic.entry,
            revisions=[self._loadable(one.revision(number)) for number in numbers],
            weights=one.traffic.weights,
            shadow=one.traffic.shadow,
            key=inputs.key,
            views=[ViewPlan(view.name, view.entity) for view in inputs.views],
            request_columns=inputs.request_columns,
        )

    def _loadable(self, made: Revision) -> RevisionPlan:
        version = self.registry.show(made.model_ref)
        return RevisionPlan(
            number=made.number,
            model=version.ref,
            bundle=str(self.registry.bundle_directory(version)),
            engine=str(self.registry.engine_directory(version)) if self.prepare else "",
        )

    def _default(self, name: str) -> str:
        known = {one.name: one for one in self.registry.list()}
        with self.catalog.read() as tx:
            if name not in known and name in changes.names(tx):
                name = changes.load(tx, name).live.model
        return f"{name}@champion" if name in known and "champion" in known[name].aliases else name

    def _with_endpoint(self, one: Deployment) -> Deployment:
        try:
            found = msgspec.json.decode((self.state / f"{one.name}.json").read_bytes(), type=Endpoint)
        except (OSError, msgspec.DecodeError):
            return one
        return msgspec.structs.replace(one, endpoint=found) if _alive(found.pid) else one


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise ServingError(
            f"'{name}' cannot name a deployment",
            cause="it is part of a URL: letters, digits, dashes and underscores",
            cure="choose such a name",
        )
