"""Registration and look-up of versions, beneath the verbs: functions of a transaction."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlalchemy import func, insert, select

from mulle.catalog import Tx
from mulle.errors import RegistryError, unknown
from mulle.flavors.bundle import Bundle
from mulle.registry.model import Candidate, Inputs, ModelVersion
from mulle.registry.tables import model, model_alias, model_engine, model_version
from mulle.store import ObjectStore
from mulle.store.tree import files_of
from mulle.types import Digest

LIST = "mulle models list"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")


def candidate(
    store: ObjectStore,
    name: str,
    bundle: str,
    *,
    run: str = "",
    step_run: str = "",
    report: str = "",
    inputs: Inputs | dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> Candidate:
    """Read what a bundle in the store says about itself, so that it can be registered.

    Raises:
        RegistryError: the name is not one, or the object is no bundle.
    """
    if not _NAME.match(name):
        raise RegistryError(
            f"'{name}' cannot name a model",
            cause="names are letters, digits, dots, dashes and underscores",
            cure="choose such a name in mulle.register",
        )
    entries = {entry.path: entry.digest for entry in files_of(store, Digest(bundle))}
    if "model.json" not in entries:
        raise RegistryError(
            f"{bundle} is no model", cause="it holds no model.json", cure="register what a step returned as mulle.Model"
        )
    described = msgspec.json.decode(store.get(entries["model.json"]), type=Bundle)
    return Candidate(
        name=name,
        bundle=bundle,
        flavor=described.flavor,
        task=described.outputs.task,
        signature=described.signature.inputs,
        run=run,
        step_run=step_run,
        report=report,
        inputs=inputs if isinstance(inputs, Inputs) else msgspec.convert(inputs or {}, Inputs),
        metrics=metrics or {},
    )


def register(tx: Tx, given: Candidate) -> ModelVersion:
    """Make the next version of a model; the same name and bundle again give the version that there is.

    The caller has flushed the store before.
    """
    found = tx.scalar(
        select(model_version.c.number).where(model_version.c.name == given.name, model_version.c.bundle == given.bundle)
    )
    if found is not None:
        return version(tx, given.name, int(found))
    number = 1 + (tx.scalar(select(func.max(model_version.c.number)).where(model_version.c.name == given.name)) or 0)
    ref = f"model:{given.name}@{number}"
    event = tx.event(ref, {"bundle": given.bundle, "run": given.run, "metrics": given.metrics}, verb="models.register")
    if number == 1:
        tx.execute(insert(model).values(name=given.name, created=tx.now, event=event))
    row = {name: getattr(given, name) for name in given.__struct_fields__}
    tx.execute(insert(model_version).values(**row, number=number, at=tx.now, event=event))
    tx.node("model_version", ref, given.bundle)
    tx.node("object", f"object:{given.bundle}", given.bundle)
    tx.edge(ref, f"object:{given.bundle}", "weights")
    if given.run:
        tx.edge(ref, f"run:{given.run}", "made_by")
    return version(tx, given.name, number)


def version(tx: Tx, name: str, number: int) -> ModelVersion:
    """One version.

    Raises:
        UnknownNameError: there is no such model or version.
    """
    row = tx.one(select(model_version).where(model_version.c.name == name, model_version.c.number == number))
    if row is None:
        numbers = tx.all(select(model_version.c.number).where(model_version.c.name == name))
        if not numbers:
            names = [one.name for one in tx.all(select(model.c.name))]
            raise unknown("model", name, names, cure=LIST)
        raise unknown("model version", f"{name}@{number}", [f"{name}@{one.number}" for one in numbers], cure=LIST)
    return with_row(tx, row)


def with_row(tx: Tx, row: Any) -> ModelVersion:
    """A version from its row, with its aliases and engine."""
    aliases = select(model_alias.c.alias).where(model_alias.c.name == row.name, model_alias.c.number == row.number)
    engine = tx.one(select(model_engine.c.report).where(model_engine.c.bundle == row.bundle))
    values = {
        **{str(name): value for name, value in row._mapping.items()},  # noqa: SLF001 - SQLAlchemy's public name
        "aliases": sorted(one.alias for one in tx.all(aliases)),
        "engine": engine.report if engine is not None else None,
    }
    return msgspec.convert(values, ModelVersion)


def newest(tx: Tx, name: str) -> int:
    """The number of a model's newest version; 0 where it has none."""
    return int(tx.scalar(select(func.max(model_version.c.number)).where(model_version.c.name == name)) or 0)


def resolve(tx: Tx, ref: str) -> ModelVersion:
    """The version that a reference means: `delay@3`, `delay@champion`, `delay` or `delay@latest` (the newest).

    Raises:
        UnknownNameError: no model, version or alias of that name.
    """
    name, _, which = ref.removeprefix("model:").partition("@")
    if which.isdigit():
        return version(tx, name, int(which))
    if which in ("", "latest"):
        newest = tx.scalar(select(func.max(model_version.c.number)).where(model_version.c.name == name))
        return version(tx, name, int(newest or 0))
    number = tx.scalar(select(model_alias.c.number).where(model_alias.c.name == name, model_alias.c.alias == which))
    if number is None:
        version(tx, name, 1)
        aliases = [one.alias for one in tx.all(select(model_alias.c.alias).where(model_alias.c.name == name))]
        raise unknown(
            f"alias of model '{name}'", which, aliases, cure=f"mulle models promote {name} VERSION --alias {which}"
        )
    return version(tx, name, int(number))
