"""The verbs of the registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from mulle import flavors
from mulle.catalog import Catalog
from mulle.errors import RegistryError
from mulle.registry import versions as beneath
from mulle.registry.model import Alias, Comparison, Difference, Inputs, ModelSummary, ModelVersion
from mulle.registry.tables import model, model_alias, model_engine, model_version
from mulle.stats.evaluation import Report
from mulle.store import ObjectStore
from mulle.store.leases import leasing
from mulle.store.trees import get_tree, put_tree
from mulle.types import Digest
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.flavors import EngineReport, Model, Sealer


Models: TypeAlias = list[ModelSummary]
Versions: TypeAlias = list[ModelVersion]


class Registry:
    """Model versions, their aliases and engines.

    Args:
        catalog: where they are recorded.
        store: where their bundles are.
        signer: vouches for pickled models of this workspace.
        cache: a directory for unpacked bundles; may be emptied at any time.
        convert: whether `prepare` attempts ONNX.
    """

    plane = "models"

    def __init__(
        self, catalog: Catalog, store: ObjectStore, signer: Sealer, cache: Path, *, convert: bool = True
    ) -> None:
        self.catalog = catalog
        self.store = store
        self.signer = signer
        self.cache = cache
        self.convert = convert

    @verb("read")
    def list(self) -> Models:
        """Every model with its newest version and its aliases."""
        with self.catalog.read() as tx:
            names = [row.name for row in tx.all(select(model.c.name).order_by(model.c.name))]
            return [self._summary(tx, name) for name in names]

    def _summary(self, tx: Any, name: str) -> ModelSummary:
        newest = beneath.resolve(tx, name)
        aliases = tx.all(select(model_alias.c.alias, model_alias.c.number).where(model_alias.c.name == name))
        count = tx.scalar(select(func.count()).select_from(model_version).where(model_version.c.name == name))
        return ModelSummary(
            name=name,
            versions=int(count),
            latest=newest.number,
            at=newest.at,
            aliases={row.alias: row.number for row in aliases},
            metrics=newest.metrics,
        )

    @verb("read")
    def show(self, ref: str) -> ModelVersion:
        """One version: `delay@3`, `delay@champion`, or `delay` for the newest."""
        with self.catalog.read() as tx:
            return beneath.resolve(tx, ref)

    @verb("read")
    def versions(self, name: str) -> Versions:
        """All versions of a model, the newest first."""
        with self.catalog.read() as tx:
            beneath.resolve(tx, name)
            chosen = select(model_version).where(model_version.c.name == name)
            return [beneath.with_row(tx, row) for row in tx.all(chosen.order_by(model_version.c.number.desc()))]

    @verb("read")
    def compare(self, a: str, b: str) -> Comparison:
        """Two versions side by side: metrics as reported at registration, and what their inputs differ by."""
        with self.catalog.read() as tx:
            one, two = beneath.resolve(tx, a), beneath.resolve(tx, b)
        names = [*one.metrics, *(name for name in two.metrics if name not in one.metrics)]
        mine, yours = [field.name for field in one.signature], [field.name for field in two.signature]
        return Comparison(
            a=one.ref,
            b=two.ref,
            metrics={name: _difference(one.metrics.get(name), two.metrics.get(name)) for name in names},
            inputs_added=[name for name in yours if name not in mine],
            inputs_removed=[name for name in mine if name not in yours],
            same_weights=one.bundle == two.bundle,
        )

    @verb("write")
    def promote(self, name: str, version: int, alias: str = "champion", reason: str = "") -> Alias:
        """Point an alias at a version; the ledger keeps the reason."""
        if not alias or alias == "latest" or alias.isdigit():
            raise RegistryError(
                f"'{alias}' cannot be an alias",
                cause="numbers and 'latest' mean versions",
                cure="choose a word such as champion",
            )
        with self.catalog.write() as tx:
            chosen = beneath.version(tx, name, version)
            place = (model_alias.c.name == name, model_alias.c.alias == alias)
            former = tx.scalar(select(model_alias.c.number).where(*place))
            event = tx.event(
                f"model:{chosen.ref}", {"alias": alias, "version": version, "former": former}, reason=reason or None
            )
            values = {"number": version, "at": tx.now, "event": event}
            tx.execute(
                insert(model_alias)
                .values(name=name, alias=alias, **values)
                .on_conflict_do_update(index_elements=["name", "alias"], set_=values)
            )
            return Alias(name=name, alias=alias, number=version, former=former, at=tx.now, event=event)

    @leasing(lambda self, *_, **__: self.store)
    def register(
        self,
        name: str,
        bundle: str,
        *,
        run: str = "",
        step_run: str = "",
        report: str = "",
        inputs: Inputs | dict[str, Any] | None = None,
        metrics: dict[str, float] | None = None,
    ) -> ModelVersion:
        """Register a bundle that is in the store; the same name and bundle again give the same version."""
        given = beneath.candidate(
            self.store, name, bundle, run=run, step_run=step_run, report=report, inputs=inputs, metrics=metrics
        )
        self.store.flush()
        with self.catalog.write() as tx:
            return beneath.register(tx, given)

    @leasing(lambda self, *_, **__: self.store)
    def add(self, name: str, trained: Model, **recorded: Any) -> ModelVersion:
        """Save a model into the store and register it."""
        with tempfile.TemporaryDirectory(prefix="mulle-model-") as directory:
            flavors.save(trained, Path(directory), self.signer)
            bundle = put_tree(self.store, Path(directory))
        return self.register(name, bundle, **recorded)

    def alias(self, name: str, alias: str = "champion") -> ModelVersion | None:
        """The version that an alias points at, or None."""
        with self.catalog.read() as tx:
            number = tx.scalar(
                select(model_alias.c.number).where(model_alias.c.name == name, model_alias.c.alias == alias)
            )
            return None if number is None else beneath.version(tx, name, int(number))

    def bundle_directory(self, version: ModelVersion) -> Path:
        """The version's bundle, unpacked."""
        return self._unpacked(version.bundle)

    def engine_directory(self, version: ModelVersion) -> Path:
        """The version's prepared engine, unpacked; prepares it if nobody has yet."""
        self.prepare(version)
        with self.catalog.read() as tx:
            engine = tx.scalar(select(model_engine.c.engine).where(model_engine.c.bundle == version.bundle))
        return self._unpacked(str(engine))

    @leasing(lambda self, *_: self.store)
    def prepare(self, version: ModelVersion) -> EngineReport:
        """Choose the version's engines once: try ONNX, compare on real rows, time both. Kept by bundle."""
        chosen = select(model_engine.c.report).where(model_engine.c.bundle == version.bundle)
        with self.catalog.read() as tx:
            known = tx.scalar(chosen)
        if known is not None:
            return msgspec.convert(known, flavors.EngineReport)
        with tempfile.TemporaryDirectory(prefix="mulle-engine-") as directory:
            report = flavors.prepare(
                self.bundle_directory(version),
                Path(directory),
                self.signer,
                rows=self._real_rows(version),
                attempt=self.convert,
            )
            engine = put_tree(self.store, Path(directory))
        self.store.flush()
        with self.catalog.write() as tx:
            row = {"bundle": version.bundle, "engine": engine, "report": report, "at": tx.now}
            tx.execute(insert(model_engine).values(**row).on_conflict_do_nothing())
        return report

    def _real_rows(self, version: ModelVersion, limit: int = 2000) -> Any:
        """Rows of the version's evaluation, to compare engines on; None when it was not evaluated."""
        if not version.report:
            return None
        rows = Report.from_bytes(self.store.get(Digest(version.report))).rows
        names = [field.name for field in version.signature]
        if rows is None or not set(names) <= set(rows.columns):
            return None
        signature = flavors.Signature(version.signature, [])
        return flavors.columns_of(rows.select(names).head(limit), signature)

    def load(self, version: ModelVersion) -> Model:
        """The version's model itself, for batches and evaluation."""
        return flavors.restore(self.bundle_directory(version), self.signer)

    def report(self, version: ModelVersion) -> Report | None:
        """The evaluation that the version was registered with, with its rows."""
        return Report.from_bytes(self.store.get(Digest(version.report))) if version.report else None

    def _unpacked(self, digest: str) -> Path:
        """A tree of the store as a directory that stays as it is."""
        target = self.cache / digest.removeprefix("b3:")
        if not target.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=".making-", dir=self.cache))
            get_tree(self.store, Digest(digest), making)
            try:
                making.rename(target)
            except OSError:  # another process was faster: its copy is as good
                if not target.exists():
                    raise
        return target


def _difference(a: float | None, b: float | None) -> Difference:
    return Difference(a, b, None if a is None or b is None else b - a)
