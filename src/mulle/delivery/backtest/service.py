"""The verbs of backtests: fork, live the same history under each policy, measure, and keep the report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec
from sqlalchemy import insert, select

from mulle.catalog import Catalog
from mulle.clock import ClockIds, Ids, VirtualClock
from mulle.delivery.backtest import policies as named
from mulle.delivery.backtest.abreast import turn_abreast
from mulle.delivery.backtest.history import DAY, ReplayedArrivals, Timeline, forget, timelines
from mulle.delivery.backtest.measuring import MEASURED, Weeks, mean, regret
from mulle.delivery.backtest.model import BacktestReport, BacktestSummary, PolicyReport
from mulle.delivery.backtest.questions import Answers, gather
from mulle.delivery.backtest.running import Life, Lived, Stage, first_champion, unmeasured
from mulle.delivery.declare import Cause, DeploymentDefinition, TriggerDefinition
from mulle.delivery.tables import backtest
from mulle.delivery.world import NoRequests, Rules, World
from mulle.errors import DeliveryError, UsageError, unknown
from mulle.hashing import digest_value
from mulle.store.leases import leasing
from mulle.types import Digest
from mulle.verbs import verb

if TYPE_CHECKING:
    from mulle.access import Signer
    from mulle.definitions import Definitions
    from mulle.store import ObjectStore

Backtests: TypeAlias = list[BacktestSummary]
Policies: TypeAlias = Sequence[str] | Mapping[str, Sequence[Cause]]
Progress: TypeAlias = Callable[[str, float | None, float | None], None]

_WEEK = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Worlds(Protocol):
    """Makes the services over a fork: everything as in production, but on this catalog, clock and folder."""

    def __call__(self, catalog: Catalog, clock: VirtualClock, ids: Ids, directory: Path, rules: Rules) -> World:
        """The world of a fork. The memo is that of the real catalog, so that policies share trainings."""


class BacktestService:
    """The production loop over history, in virtual time, for several policies side by side.

    Args:
        catalog: the real one; forked, and written to once at the end.
        store: shared with the forks.
        signer: vouches for the pickled models of this workspace.
        worlds: wires the services of a fork.
        definitions: the project's.
        scratch: a folder for the forks; what is in it is thrown away at the end.
    """

    plane = "backtests"

    def __init__(
        self,
        *,
        catalog: Catalog,
        store: ObjectStore,
        signer: Signer,
        worlds: Worlds,
        definitions: Callable[[], Definitions],
        scratch: Path,
    ) -> None:
        self.catalog = catalog
        self.store = store
        self.signer = signer
        self.worlds = worlds
        self.definitions = definitions
        self.scratch = scratch

    @verb("read")
    def list(self, limit: int = 20) -> Backtests:
        """The backtests that were made, the newest first."""
        with self.catalog.read() as tx:
            rows = tx.all(select(backtest).order_by(backtest.c.at.desc(), backtest.c.id.desc()).limit(limit))
        names = BacktestSummary.__struct_fields__
        return [msgspec.convert({name: getattr(row, name) for name in names}, BacktestSummary) for row in rows]

    @verb("read")
    def show(self, backtest_id: str) -> BacktestReport:
        """One backtest's report."""
        with self.catalog.read() as tx:
            digest = tx.scalar(select(backtest.c.report).where(backtest.c.id == backtest_id))
            known = [row.id for row in tx.all(select(backtest.c.id))]
        if digest is None:
            raise unknown("backtest", backtest_id, known, cure="mulle backtest list")
        return msgspec.json.decode(self.store.get(Digest(digest)), type=BacktestReport)

    @verb("write")
    def run(
        self,
        deployment: str = "",
        policies: Sequence[str] = ("never", "monthly", "drift"),
        start: datetime | None = None,
        end: datetime | None = None,
        seed: int = 0,
    ) -> BacktestReport:
        """Replay history under each policy and compare quality, cost and regret against an oracle."""
        return self.replay(deployment, policies, start=start, end=end, seed=seed)

    @leasing(lambda self, *_, **__: self.store)
    def replay(
        self,
        deployment: str = "",
        policies: Policies = ("never", "monthly", "drift"),
        *,
        pipeline: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        seed: int = 0,
        oracle: timedelta = _WEEK,
        on_progress: Progress | None = None,
    ) -> BacktestReport:
        """As `run`; policies may be given as lists of causes by name, and the oracle's interval.

        Raises:
            UnknownNameError: there is no such deployment, pipeline or policy.
            DeliveryError: history is too short, or nothing could be deployed at its beginning.
        """
        definitions = self.definitions()
        rules = Rules.of(definitions)
        declared = _one(rules.deployments, deployment, "deployment")
        pipeline = pipeline or _pipeline_of(definitions, rules, declared)
        chosen = _policies(rules, pipeline, declared, policies)
        tell = on_progress or _silent
        self.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="backtest-", dir=self.scratch))
        try:
            tell("reading history", None, None)
            stage = self._stage(definitions, rules, (declared, pipeline), (start, end, seed), folder)
            lived = self._live(stage, rules, chosen, oracle, tell)
            stage.base.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self._kept(_report(stage, lived))

    def _stage(
        self,
        definitions: Definitions,
        rules: Rules,
        what: tuple[DeploymentDefinition, str],
        when: tuple[datetime | None, datetime | None, int],
        folder: Path,
    ) -> Stage:
        """Fork, go back to the beginning, train and deploy the first champion, and gather the questions."""
        (declared, pipeline), (start, end, seed) = what, when
        clock = VirtualClock(_EPOCH)
        base = self.catalog.fork(folder / "base.db", clock, ClockIds(clock, seed))
        forget(base)
        world = self.worlds(base, clock, base.ids, folder / "base", named.rules_for(rules, pipeline, declared, ()))
        history = timelines(world.data, list(definitions.all("dataset").values()))
        start, end = _span(history, start, end)
        clock.set(start)
        arrivals = ReplayedArrivals(world.data, history)
        world = replace(world, arrivals=arrivals, requests=NoRequests(), stopwatch=unmeasured)
        arrivals.arrive(start)
        first_champion(world, declared.name, pipeline)
        champion = world.registry.show(world.deployments.show(declared.name).live.model_ref)
        dataset = definitions.get("dataset", champion.inputs.dataset)
        views = [definitions.get("feature_view", view.name) for view in champion.inputs.views]
        newest = {name: timeline.versions[-1] for name, timeline in history.items()}
        joined = [(view, newest[view.source.name]) for view in views]
        questions = gather(self.store, world.data, (dataset, newest[dataset.name]), joined, (start, end))
        arriving = [instant for timeline in history.values() for instant in timeline.instants]
        answers = Answers(questions, self.signer, arriving)
        task = champion.task if champion.task in MEASURED else "regression"
        return Stage(declared, pipeline, task, start, end, seed, history, answers, base, folder)

    def _live(
        self, stage: Stage, rules: Rules, chosen: Mapping[str, Sequence[Cause]], oracle: timedelta, tell: Progress
    ) -> dict[str, Lived]:
        """Every policy and the oracle, side by side."""
        every = {named.ORACLE: named.oracle_rules(rules, stage.pipeline, stage.deployment, oracle)}
        every |= {name: named.rules_for(rules, stage.pipeline, stage.deployment, on) for name, on in chosen.items()}
        whole = round(max((stage.end - stage.start) / DAY, 1.0) * len(every), 1)
        with ExitStack() as forks:
            lives = {name: self._life(stage, name, rules, forks) for name, rules in every.items()}

            def told() -> None:
                done = sum((one.now - stage.start) / DAY for one in lives.values())
                tell(f"replaying {', '.join(every)}", round(done, 1), whole)

            turn_abreast(lives, told)
            return {name: one.lived() for name, one in lives.items()}

    def _life(self, stage: Stage, name: str, rules: Rules, forks: ExitStack) -> Life:
        """A policy's wheel in a fork of its own, which is let go of with `forks`."""
        clock = VirtualClock(stage.start)
        ids = ClockIds(clock, int(digest_value([stage.seed, name])[3:15], 16))
        fork = stage.base.fork(stage.folder / f"{digest_value(name)[3:15]}.db", clock, ids)
        forks.callback(fork.close)
        world = self.worlds(fork, clock, ids, stage.folder / digest_value(name)[3:15], rules)
        return Life(world, clock, stage)

    @leasing(lambda self, _: self.store)
    def _kept(self, report: BacktestReport) -> BacktestReport:
        """The report as an object, one row, and one event in the real ledger."""
        self.store.flush()
        with self.catalog.write() as tx:
            report = msgspec.structs.replace(report, id=tx.new_id(), at=tx.now)
        digest = self.store.put(msgspec.json.encode(report))
        self.store.flush()
        with self.catalog.write() as tx:
            payload = {"report": digest, "policies": sorted(report.policies), "digest": report.digest}
            event = tx.event(f"backtest:{report.id}", payload, verb="backtests.run")
            row = {
                name: getattr(report, name) for name in ("id", "at", "pipeline", "deployment", "start", "end", "digest")
            }
            row |= {"policies": sorted(report.policies), "report": digest, "event": event}
            tx.execute(insert(backtest).values(**row))
            tx.node("backtest", f"backtest:{report.id}", digest)
        return report


def _silent(text: str, done: float | None = None, total: float | None = None) -> None:
    del text, done, total


def _one(known: Mapping[str, DeploymentDefinition], name: str, kind: str) -> DeploymentDefinition:
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if not name:
        cause = f"the project defines {', '.join(known)}" if known else "the project defines none"
        raise UsageError(f"which {kind}?", cause=cause, cure=f"name it: mulle backtest {kind.upper()}")
    if name not in known:
        raise unknown(kind, name, known, cure="mulle deployments list")
    return known[name]


def _pipeline_of(definitions: Definitions, rules: Rules, declared: DeploymentDefinition) -> str:
    """The pipeline that makes a deployment's model: the only one, the one of its name, or the one with a trigger."""
    pipelines = definitions.all("pipeline")
    for name in (declared.model, declared.name):
        if name in pipelines:
            return name
    candidates = list(rules.triggers) if len(rules.triggers) == 1 else list(pipelines)
    if len(candidates) != 1:
        raise UsageError(
            f"which pipeline makes the model '{declared.model}'?",
            cause=f"the project defines {', '.join(pipelines) or 'none'}",
            cure="name the pipeline like the model",
        )
    return candidates[0]


def _policies(
    rules: Rules, pipeline: str, declared: DeploymentDefinition, policies: Policies
) -> dict[str, Sequence[Cause]]:
    if isinstance(policies, Mapping):
        return dict(policies)
    trigger = rules.triggers.get(pipeline) or TriggerDefinition(pipeline, ())
    metric = named.main_metric(rules, declared.name)
    return {name: named.causes(name, trigger, declared.name, metric) for name in policies}


def _span(history: Mapping[str, Timeline], start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """From `start` (by default a twelfth of history, on a day) to `end` (by default where history ends)."""
    instants = [one for timeline in history.values() for one in timeline.instants]
    if not instants:
        raise DeliveryError(
            "there is no history to replay", cause="no dataset has an event time and rows", cure="mulle data collect"
        )
    low, high = min(instants), max(instants)
    if start is None:
        start = (low + (high - low) / 12).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    end = end or high
    if not low <= start < end:
        raise DeliveryError(
            f"nothing can be replayed from {start} to {end}",
            cause=f"history goes from {low} to {high}",
            cure="choose --start and --end within it",
        )
    return start, end


def _report(stage: Stage, lived: Mapping[str, Lived]) -> BacktestReport:
    questions = stage.answers.questions
    weeks = Weeks(questions, stage.start, {name: one.scores for name, one in lived.items()})
    metrics = list(MEASURED[stage.task])
    first, second = ({name: weeks.measure(one.scores, metric) for name, one in lived.items()} for metric in metrics)

    def policy(name: str) -> PolicyReport:
        one = lived[name]
        return PolicyReport(
            weekly_auc=first[name],
            weekly_log_loss=second[name],
            mean_auc=mean(first[name]),
            mean_log_loss=mean(second[name]),
            retrainings=one.retrainings,
            promotions=one.promotions,
            rollbacks=one.rollbacks,
            alerts=one.alerts,
            cpu_seconds=round(one.cpu_seconds, 3),
            regret=regret(first[name], first[named.ORACLE], metrics[0]),
            answered=one.answered,
            champion_as_of=one.champion_as_of,
            events=one.events,
        )

    trainings: dict[str, float] = {}
    for each in lived.values():
        trainings |= each.trainings
    report = BacktestReport(
        id="",
        at=stage.end,
        deployment=stage.deployment.name,
        pipeline=stage.pipeline,
        start=stage.start,
        end=stage.end,
        seed=stage.seed,
        questions=questions.count,
        labelled=weeks.labelled,
        weeks=weeks.starts,
        metrics=metrics,
        oracle=policy(named.ORACLE),
        policies={name: policy(name) for name in lived if name != named.ORACLE},
        distinct_trainings=len(trainings),
        training_cpu_seconds=round(sum(trainings.values()), 3),
    )
    return msgspec.structs.replace(report, digest=_digest(report))


def _digest(report: BacktestReport) -> str:
    """Of everything but ids and CPU seconds."""
    body = msgspec.to_builtins(report)
    for name in ("id", "at", "digest", "training_cpu_seconds"):
        body.pop(name)
    for one in (body["oracle"], *body["policies"].values()):
        one.pop("cpu_seconds")
    return digest_value(body)
