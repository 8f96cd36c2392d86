"""The data plane: loaded models, routing, prediction and its log, in one process and without a socket.

What waits for one turn of the event loop is answered together: one prediction for each revision, one write to the log,
then the answers. This module and what it imports are for workers: no table library, no catalog.
"""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mulle.clock import Clock, Ids
from mulle.errors import FlavorError, MulleError, ServingError, StoreError, unknown
from mulle.flavors.engines import load_engine
from mulle.flavors.predictor import Predictor, scores_for_log
from mulle.predictions.frames import CANARY, LIVE, SHADOW, Batch, encode, key_text, microseconds
from mulle.serving.plan import DeploymentPlan, Plan, RevisionPlan
from mulle.serving.routing import Router
from mulle.serving.rows import MISSING, RowShape, columns, merged

SLOW_SECONDS = 0.004
"""A model slower than this for one row is asked in a thread, so that the loop goes on."""


class Spool(Protocol):
    """Where answers are logged. `mulle.spool.SpoolWriter` is one."""

    def append_many(self, payloads: Sequence[bytes]) -> None:
        """Add payloads by one write."""


class Online(Protocol):
    """Where features are looked up by entity."""

    def lookup(self, view: str, entity: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The features of one entity that may be used now; None when there are none."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """One answer, as it goes to the caller."""

    id: str
    revision: int
    output: dict[str, Any]


class Loaded(msgspec.Struct, frozen=True):
    """A revision with its model in memory."""

    number: int
    model: str
    predictor: Predictor
    slow: bool


class Asked:
    """One request's rows on their way through a turn, and what becomes of them."""

    __slots__ = ("answers", "done", "error", "ids", "keys", "revision", "since", "values")

    def __init__(self, values: list[tuple[Any, ...]], keys: list[str], ids: list[str]) -> None:
        self.values = values
        self.keys = keys
        self.ids = ids
        self.since = time.perf_counter()
        self.answers: list[Answer | None] = [None] * len(ids)
        self.error: Exception | None = None
        self.done: Future[None] | None = None
        self.revision: int | None = None
        """The revision that the caller insists on; by traffic where there is none."""


class Served:
    """One deployment as a plan has it, ready to answer."""

    def __init__(self, plan: DeploymentPlan, loaded: dict[int, Loaded], online: Online | None) -> None:
        self.plan = plan
        self.loaded = loaded
        self.router = Router(plan.name, plan.weights)
        self.primary = min(plan.weights, key=lambda number: (-plan.weights[number], number))
        fields = merged(one.predictor.signature.inputs for one in loaded.values())
        entities = [name for view in plan.views for name in view.entity]
        self.shape = RowShape(fields, [*plan.key, *entities])
        self.slow = any(one.slow for one in loaded.values())
        self._online = online
        sent = set(plan.request_columns)
        self._features = set(self.shape.names) - sent if sent else set()

    def ask(self, request: Any, ids: Ids) -> Asked:
        """Check a request's rows, fill in features, find keys and give ids.

        Raises:
            ServingError: no rows, a missing column, or lists that do not fit the rows.
        """
        rows = request.rows
        if not rows:
            raise ServingError(
                "the request has no rows", cause="'rows' is empty", cure='send {"rows": [{"column": value, …}]}'
            )
        values = self.shape.tuples(rows)
        for place, row in enumerate(values):
            if MISSING in row:
                values[place] = self._filled(rows[place], place)
        n = len(rows)
        names = [ids.new() for _ in rows] if request.ids is None else _given_ids(request.ids, n)
        keys = self._keys(rows) if request.key is None else _listed("key", request.key, n)
        return Asked(values, keys, names)

    def _keys(self, rows: Sequence[Any]) -> list[str]:
        key = self.plan.key
        if not key:
            return [""] * len(rows)
        return [key_text({name: self.shape.value(row, name) for name in key}, key) for row in rows]

    def _filled(self, row: Any, place: int) -> tuple[Any, ...]:
        """A row's values, with what it leaves out looked up by its entities."""
        wanted = set(self.shape.missing(row))
        known = self.shape.mapping(row)
        for view in self.plan.views if self._online is not None else ():
            entity = {name: known[name] for name in view.entity if known.get(name) is not None}
            if self._online is None or len(entity) < len(view.entity):
                continue
            found = self._online.lookup(view.name, entity) or {}
            for name in wanted & set(found):
                self.shape.set(row, name, found[name])
            wanted -= set(found) | self._features
        if wanted:
            raise ServingError(
                f"row {place} has no column '{min(wanted)}'",
                cause=f"the model takes: {', '.join(self.shape.names)}",
                cure=f'send "{min(wanted)}" with the row (null if it is not known)',
            )
        for name in self.shape.missing(row):  # a feature without a value for this entity is null, as in training
            self.shape.set(row, name, None)
        return self.shape.tuples([row])[0]


class DataPlane:
    """Everything that one process serves.

    `apply` may be called from another thread while `turn` answers: a plan takes effect between two turns.
    """

    def __init__(self, spool: Spool, clock: Clock, ids: Ids, signer: Any = None, online: Online | None = None) -> None:
        self.ids = ids
        self._spool = spool
        self._clock = clock
        self._signer = signer
        self._online = online
        self._served: dict[str, Served] = {}
        self._predictors: dict[tuple[str, str], tuple[Predictor, bool]] = {}
        self.generation = 0
        self.answered: dict[tuple[str, int, str], int] = {}
        self.failed = 0
        self.unlogged = 0
        self.seconds = 0.0

    def prepare(self, plan: Plan) -> dict[str, Served]:
        """Load and warm up whatever a plan needs; changes nothing yet.

        Raises:
            MulleError: a model cannot be loaded.
        """
        return {one.name: self._prepare(one) for one in plan.deployments}

    def adopt(self, plan: Plan, prepared: dict[str, Served]) -> None:
        """Serve a prepared plan from now on: a pointer move."""
        self._served = prepared
        self.generation = plan.generation
        used = {(one.bundle, one.engine) for each in plan.deployments for one in each.revisions}
        self._predictors = {place: kept for place, kept in self._predictors.items() if place in used}

    def apply(self, plan: Plan) -> None:
        """Prepare and adopt."""
        self.adopt(plan, self.prepare(plan))

    def names(self) -> list[str]:
        """The deployments that are served."""
        return list(self._served)

    def served(self, name: str) -> Served:
        """A deployment.

        Raises:
            UnknownNameError: it is not served here.
        """
        found = self._served.get(name)
        if found is None:
            raise unknown("deployment", name, self._served, cure="mulle deployments list")
        return found

    def turn(self, asked: Sequence[tuple[Served, Asked]]) -> None:
        """Answer everything that waits: predict, log, and only then hand out.

        Each `Asked` ends with its answers or its error; nothing is raised.
        """
        frames: list[bytes] = []
        at = microseconds(self._clock.now())
        for served, members in _grouped(asked):
            for number, places in _routed(served, members).items():
                frames.extend(self._answer(served, served.loaded[number], places, at))
        self._log(frames)

    def shadow(self, asked: Sequence[tuple[Served, Asked]]) -> None:
        """Let shadow revisions answer the same rows, into the log only."""
        frames: list[bytes] = []
        at = microseconds(self._clock.now())
        for served, members in _grouped(asked):
            for number in served.plan.shadow:
                places = [(one, place) for one in members if one.error is None for place in range(len(one.ids))]
                frames.extend(self._answer(served, served.loaded[number], places, at, shadow=True))
        self._log(frames)

    def _answer(
        self, served: Served, loaded: Loaded, places: list[tuple[Asked, int]], at: int, *, shadow: bool = False
    ) -> list[bytes]:
        try:
            return [self._predict(served, loaded, places, at, shadow=shadow)] if places else []
        except Exception as error:  # noqa: BLE001 - a model may raise anything; the process goes on
            members = list({id(one): one for one, _ in places}.values())
            if shadow:
                self.failed += len(places)
                return []
            if len(members) == 1:
                members[0].error = _explained(error, served.plan.name, loaded)
                self.failed += len(places)
                return []
        found = []
        for member in members:  # one request's rows must not spoil the answers of the others
            found.extend(self._answer(served, loaded, [place for place in places if place[0] is member], at))
        return found

    def _predict(
        self, served: Served, loaded: Loaded, places: list[tuple[Asked, int]], at: int, *, shadow: bool
    ) -> bytes:
        fields = served.shape.fields
        arrays, plain = columns([one.values[place] for one, place in places], fields)
        outputs = loaded.predictor.predict(arrays, len(places))
        named = {name: values.tolist() for name, values in outputs.items()}
        role = SHADOW if shadow else LIVE if loaded.number == served.primary else CANARY
        ids = [self.ids.new() for _ in places] if shadow else [one.ids[place] for one, place in places]
        if not shadow:
            names = list(named)
            for (one, place), id_, row in zip(places, ids, zip(*named.values(), strict=True), strict=True):
                one.answers[place] = Answer(id_, loaded.number, dict(zip(names, row, strict=True)))
        now = time.perf_counter()
        latency = [int((now - one.since) * 1e6) for one, _ in places]
        counted = (served.plan.name, loaded.number, role)
        self.answered[counted] = self.answered.get(counted, 0) + len(places)
        self.seconds += sum(latency) / 1e6
        return encode(
            Batch(
                served.plan.name,
                loaded.number,
                loaded.model,
                role,
                at,
                ids,
                [one.keys[place] for one, place in places],
                plain,
                named,
                scores_for_log(outputs).tolist(),
                latency,
            )
        )

    def _log(self, frames: list[bytes]) -> None:
        if not frames:
            return
        try:
            self._spool.append_many(frames)
        except StoreError:  # a full disk: answer on, count what is not logged, and say so in the metrics
            self.unlogged += len(frames)

    def _prepare(self, plan: DeploymentPlan) -> Served:
        loaded = {one.number: self._loaded(one) for one in plan.revisions}
        return Served(plan, loaded, self._online)

    def _loaded(self, plan: RevisionPlan) -> Loaded:
        place = (plan.bundle, plan.engine)
        if place not in self._predictors:
            predictor = load_engine(Path(plan.bundle), Path(plan.engine) if plan.engine else None, self._signer)
            self._predictors[place] = (predictor, _is_slow(predictor, Path(plan.bundle)))
        predictor, slow = self._predictors[place]
        return Loaded(plan.number, plan.model, predictor, slow)


def _is_slow(predictor: Predictor, bundle: Path) -> bool:
    """Warm a model up on its own example, and see how long one row takes."""
    from mulle.flavors import bundle as bundles  # noqa: PLC0415 - start-up time

    rows = bundles.example(bundle, bundles.read(bundle))
    single = {name: values[:1] for name, values in rows.items()}
    predictor.predict(single, 1)
    start = time.perf_counter()
    predictor.predict(single, 1)
    return time.perf_counter() - start > SLOW_SECONDS


def _grouped(asked: Sequence[tuple[Served, Asked]]) -> list[tuple[Served, list[Asked]]]:
    found: dict[int, tuple[Served, list[Asked]]] = {}
    for served, one in asked:
        found.setdefault(id(served), (served, []))[1].append(one)
    return list(found.values())


def _routed(served: Served, members: Sequence[Asked]) -> dict[int, list[tuple[Asked, int]]]:
    """The rows by the revision that answers them; a row without a key is shared by its id."""
    only = served.router.only
    if only is not None and all(one.revision is None for one in members):
        return {only: [(one, place) for one in members for place in range(len(one.ids))]}
    found: dict[int, list[tuple[Asked, int]]] = {}
    for one in members:
        for place, key in enumerate(one.keys):
            number = one.revision or served.router.revision(key or one.ids[place])
            found.setdefault(number, []).append((one, place))
    return found


def _explained(error: Exception, name: str, loaded: Loaded) -> MulleError:
    if isinstance(error, MulleError):
        return error
    return FlavorError(
        f"model {loaded.model} of '{name}' failed on these rows",
        cause=f"{type(error).__name__}: {error}",
        cure="compare the rows with the model's input example: mulle models show " + loaded.model,
    )


def _listed(what: str, given: Any, n: int) -> list[str]:
    values = [given] if isinstance(given, str) else list(given)
    if len(values) != n:
        raise ServingError(
            f"'{what}' has {len(values)} entries for {n} rows", cause="there is one a row", cure=f"leave '{what}' out"
        )
    return values


def _given_ids(given: Any, n: int) -> list[str]:
    return [_checked_id(one) for one in _listed("ids", given, n)]


def _checked_id(given: str) -> str:
    if not 1 <= len(given) <= 64 or not all(one.isalnum() or one in "-.:" for one in given):  # noqa: PLR2004
        raise ServingError(
            f"'{given[:80]}' cannot be a prediction's id",
            cause="it has other characters than letters, digits, dashes, dots and colons, or more than 64 of them",
            cure="leave 'ids' out: every answer is given one",
        )
    return given
