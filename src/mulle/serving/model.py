"""The frozen records of serving."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable configuration of a deployment: the model version that answers."""

    deployment: str
    number: int
    model: str
    version: int
    at: datetime
    event: str

    @property
    def ref(self) -> str:
        """As lineage names it, without the kind: `delay/3`."""
        return f"{self.deployment}/{self.number}"

    @property
    def model_ref(self) -> str:
        return f"{self.model}@{self.version}"


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are shared: revision → percent, and the revisions that answer beside, unseen.

    `entry` counts the deployment's changes; `restores` is the entry that a rollback went back to.
    """

    entry: int
    weights: dict[int, float]
    shadow: list[int]
    at: datetime
    event: str
    restores: int | None = None

    @property
    def primary(self) -> int:
        """The revision with the most traffic; of equals, the older."""
        return min(self.weights, key=lambda number: (-self.weights[number], number))

    @property
    def stable(self) -> bool:
        """Whether one revision answers everything."""
        return len(self.weights) == 1


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment answers right now, as its server last said."""

    url: str
    pid: int
    workers: int
    entry: int
    error: str = ""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A served endpoint, its traffic and its revisions, the newest first."""

    name: str
    active: bool
    created: datetime
    traffic: Traffic
    revisions: list[Revision]
    endpoint: Endpoint | None = None

    def revision(self, number: int) -> Revision:
        """The revision of that number."""
        return next(one for one in self.revisions if one.number == number)

    @property
    def live(self) -> Revision:
        """The revision with the most traffic."""
        return self.revision(self.traffic.primary)
