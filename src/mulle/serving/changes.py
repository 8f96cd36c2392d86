"""Deployments in the catalog, beneath the verbs: functions of a transaction, and the rules of traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import func, insert, select, update

from mulle.catalog import Tx
from mulle.errors import ServingError, unknown
from mulle.hashing import digest_value
from mulle.registry import ModelVersion
from mulle.serving.model import Deployment, Revision, Traffic
from mulle.serving.tables import deployment, revision, traffic

T = TypeVar("T")
LIST = "mulle deployments list"
_WHOLE = 100.0


def revision_for(tx: Tx, name: str, version: ModelVersion) -> Revision:
    """The deployment's revision that serves a model version, made if need be."""
    chosen = select(revision).where(
        revision.c.deployment == name, revision.c.model == version.name, revision.c.version == version.number
    )
    row = tx.one(chosen)
    if row is not None:
        return _as(Revision, row)
    known = tx.one(select(deployment.c.name).where(deployment.c.name == name))
    number = 1 + (tx.scalar(select(func.max(revision.c.number)).where(revision.c.deployment == name)) or 0)
    event = tx.event(f"revision:{name}/{number}", {"model": version.ref})
    if known is None:
        row_values = {"name": name, "created": tx.now, "active": True, "entry": 0, "event": event}
        tx.execute(insert(deployment).values(**row_values))
    made = Revision(deployment=name, number=number, model=version.name, version=version.number, at=tx.now, event=event)
    tx.execute(insert(revision).values(**msgspec.structs.asdict(made)))
    tx.node("revision", f"revision:{made.ref}", version.bundle)
    tx.node("deployment", f"deployment:{name}", digest_value({"deployment": name, "created": tx.now}))
    tx.edge(f"revision:{made.ref}", f"model:{version.ref}", "serves")
    return made


def route(
    tx: Tx,
    name: str,
    weights: Mapping[int, float],
    shadow: Sequence[int],
    *,
    reason: str = "",
    restores: int | None = None,
) -> Traffic:
    """Record how a deployment's requests are shared from now on."""
    entry = 1 + int(tx.scalar(select(deployment.c.entry).where(deployment.c.name == name)) or 0)
    payload: dict[str, Any] = {"weights": {str(one): share for one, share in weights.items()}, "shadow": list(shadow)}
    if restores is not None:
        payload["restores"] = restores
    event = tx.event(f"deployment:{name}", payload, reason=reason or None)
    made = Traffic(entry=entry, weights=dict(weights), shadow=sorted(shadow), at=tx.now, event=event, restores=restores)
    row = msgspec.structs.asdict(made) | {"weights": payload["weights"], "deployment": name}
    tx.execute(insert(traffic).values(**row))
    tx.execute(update(deployment).where(deployment.c.name == name).values(entry=entry, active=True))
    return made


def withdraw(tx: Tx, name: str, reason: str) -> None:
    """Stop a deployment from answering; its revisions stay on record."""
    entry = 1 + load(tx, name).traffic.entry
    tx.event(f"deployment:{name}", {"active": False}, reason=reason or None)
    former = history(tx, name)[0]
    row = msgspec.structs.asdict(former) | {"entry": entry, "at": tx.now, "deployment": name}
    tx.execute(insert(traffic).values(**row | {"weights": {str(one): w for one, w in former.weights.items()}}))
    tx.execute(update(deployment).where(deployment.c.name == name).values(active=False, entry=entry))


def load(tx: Tx, name: str) -> Deployment:
    """A deployment with its traffic and revisions.

    Raises:
        UnknownNameError: there is none of that name.
    """
    row = tx.one(select(deployment).where(deployment.c.name == name))
    if row is None:
        raise unknown("deployment", name, names(tx), cure=LIST)
    chosen = select(revision).where(revision.c.deployment == name).order_by(revision.c.number.desc())
    return Deployment(
        name=name,
        active=row.active,
        created=row.created,
        traffic=history(tx, name, limit=1)[0],
        revisions=[_as(Revision, one) for one in tx.all(chosen)],
    )


def names(tx: Tx) -> list[str]:
    """The deployments there are, served or not."""
    return [one.name for one in tx.all(select(deployment.c.name).order_by(deployment.c.name))]


def current(tx: Tx, name: str) -> Traffic | None:
    """How the deployment's traffic is shared now; None when there is no such deployment."""
    return next(iter(history(tx, name, limit=1)), None)


def generation(tx: Tx) -> int:
    """A number that grows with every change of any deployment."""
    return int(tx.scalar(select(func.coalesce(func.sum(deployment.c.entry), 0))) or 0)


def history(tx: Tx, name: str, limit: int = 1000) -> list[Traffic]:
    """How the deployment's traffic was shared, the newest first."""
    chosen = select(traffic).where(traffic.c.deployment == name).order_by(traffic.c.entry.desc()).limit(limit)
    return [_as(Traffic, one) for one in tx.all(chosen)]


def _as(kind: type[T], row: Any) -> T:
    values = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - SQLAlchemy's public name
    return msgspec.convert(values, kind, strict=False)


def shared(now: Traffic | None, number: int, share: float) -> dict[int, float]:
    """The weights when `number` gets `share` percent and the others keep their proportions of the rest.

    Raises:
        ServingError: the share is not a percentage, or the first revision would get less than everything.
    """
    if not 0 <= share <= _WHOLE:
        raise ServingError(
            f"{share} is not a share of the traffic", cause="it is not between 0 and 100", cure="give a percentage"
        )
    others = {one: weight for one, weight in (now.weights if now else {}).items() if one != number}
    if share == _WHOLE or not others:
        return {number: _WHOLE}
    total = sum(others.values())
    rest = {one: weight / total * (_WHOLE - share) for one, weight in others.items()}
    return rest if share == 0 else {**rest, number: share}


def checked(weights: Mapping[int, float], shadow: Sequence[int], known: Sequence[int], name: str) -> dict[int, float]:
    """The weights as percent, without zeros.

    Raises:
        ServingError: they are empty, negative or name revisions that the deployment does not have.
    """
    positive = {one: float(weight) for one, weight in weights.items() if weight > 0}
    if not positive or any(weight < 0 for weight in weights.values()):
        raise ServingError(
            f"nothing would answer requests to '{name}'",
            cause=f"the weights are {dict(weights)}",
            cure=f"give a revision a weight above 0, or: mulle deployments undeploy {name}",
        )
    for one in (*positive, *shadow):
        if one not in known:
            raise unknown("revision", f"{name}/{one}", [f"{name}/{number}" for number in known], cure=LIST)
    total = sum(positive.values())
    return {one: weight / total * _WHOLE for one, weight in positive.items()}


def before(entries: Sequence[Traffic]) -> Traffic | None:
    """Where a rollback goes; None when there is nothing to go back to.

    From a split: to the last time one revision answered alone. From one revision: to another that answered alone
    before. `entries` are the newest first.
    """
    now = entries[0]
    place = next((i for i, one in enumerate(entries) if one.entry == now.restores), 0)
    for one in entries[place + 1 :]:
        if one.stable and (not now.stable or one.primary != now.primary):
            return one
    return None
