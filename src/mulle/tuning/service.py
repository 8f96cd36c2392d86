"""The verbs of studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert

from mulle.errors import UsageError, unknown
from mulle.resources.process import lives
from mulle.tuning import tables
from mulle.tuning.facts import Stopped
from mulle.tuning.log import StudyLog
from mulle.tuning.model import Importance, Manner, Question, Study, Trial, TrialStatus, better, front, ranked
from mulle.tuning.taking import take_over, trials
from mulle.verbs import current, verb

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

    from mulle.catalog import Catalog, Tx
    from mulle.resources.process import Process

Studies: TypeAlias = list[Study]
Trials: TypeAlias = list[Trial]
_FILES = "studies"


class StudyService:
    """Searches over parameters and pipelines, their trials, and what was learned from them."""

    plane = "studies"

    def __init__(self, *, catalog: Catalog, workspace: Path) -> None:
        self._catalog = catalog
        self._folder = workspace / _FILES
        self._logs: dict[str, StudyLog] = {}

    @verb("read")
    def list(self, limit: int = 50) -> Studies:
        """The newest studies, newest first."""
        with self._catalog.read() as tx:
            order = tables.study.c.created.desc(), tables.study.c.name
            rows = tx.all(select(tables.study).order_by(*order).limit(limit))
        for row in rows:
            take_over(self._catalog, row.name, self._open(row))
        with self._catalog.read() as tx:
            return [_study(row, trials(tx, row.name), self._open(row)) for row in rows]

    @verb("read")
    def show(self, name: str) -> Study:
        """One study: what it asks, how far it is, its best trial."""
        row = self._row(name)
        take_over(self._catalog, name, self._open(row))
        with self._catalog.read() as tx:
            return _study(row, trials(tx, name), self._open(row))

    @verb("read")
    def trials(self, name: str, limit: int = 1000) -> Trials:
        """The trials as a leaderboard, the best first; of several objectives, those that none beats come first."""
        row = self._row(name)
        take_over(self._catalog, name, self._open(row))
        with self._catalog.read() as tx:
            found = trials(tx, name)
        question = msgspec.convert(row.question, Question)
        order = ranked(question, found)
        if len(question.metrics) > 1:
            best = {trial.number for trial in front(question, found)}
            order.sort(key=lambda trial: trial.number not in best)
        return order[:limit]

    @verb("read")
    def best(self, name: str) -> Trial:
        """The best complete trial; of several objectives, by the first.

        Raises:
            UsageError: no trial is complete yet.
        """
        found = self.show(name).best
        if found is None:
            raise UsageError(
                f"the study '{name}' has no complete trial yet",
                cause="its trials run, failed or were pruned",
                cure=f"mulle studies show {name}",
            )
        return found

    @verb("read")
    def importance(self, name: str, objective: int = 0) -> Importance:
        """How much of the variation of an objective each parameter explains: functional ANOVA over a random forest.

        Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014; without
        scikit-learn PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023).

        Args:
            name: the study.
            objective: which of the study's objectives, from 0.

        Raises:
            UsageError: there are too few complete trials, or no such objective.
        """
        from mulle.tuning.importance import shares  # noqa: PLC0415 - optional, and slow to import

        row = self._row(name)
        log = self._open(row)
        log.refresh()
        return shares(name, msgspec.convert(row.question, Question), log, objective)

    @verb("write")
    def stop(self, name: str) -> Study:
        """Ask the processes that work at a study to stop; trials that run wait for it to go on."""
        row = self._row(name)
        self._open(row).append(Stopped())
        with self._catalog.write() as tx:
            tx.event(f"study:{name}", {"status": "stop requested"})
        return self.show(name)

    def begin(self, name: str, question: Question, manner: Manner) -> Study:
        """Make a study, or go on with it where it asks the same.

        Raises:
            UsageError: there is a study of that name which asks something else.
        """
        with self._catalog.write() as tx:
            row = _find(tx, name)
            if row is None:
                self._make(tx, name, question, manner)
            else:
                _same(name, msgspec.convert(row.question, Question), question)
                changed = update(tables.study).where(tables.study.c.name == name)
                tx.execute(changed.values(manner=msgspec.to_builtins(manner)))
        return self.show(name)

    def find(self, name: str) -> Study | None:
        """A study, if there is one of that name."""
        with self._catalog.read() as tx:
            row = _find(tx, name)
        return None if row is None else self.show(name)

    def log(self, name: str) -> StudyLog:
        """A log of the study for one who works at it, to be closed by them."""
        return StudyLog(self._path(self._row(name)), durable=self._catalog.durable)

    def report(self, name: str, report: dict[str, Any]) -> None:
        """Keep what an AutoML study found out about its winner."""
        with self._catalog.write() as tx:
            tx.execute(update(tables.study).where(tables.study.c.name == name).values(report=report))
            tx.event(f"study:{name}", {"status": "reported"}, verb="studies.report")

    def take_over(self, name: str) -> None:
        """Bring the catalog up to what the study's log says."""
        take_over(self._catalog, name, self._open(self._row(name)))

    def close(self) -> None:
        """Let go of the files."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def _make(self, tx: Tx, name: str, question: Question, manner: Manner) -> None:
        acting = current()
        row = {
            "name": name,
            "log": tx.new_id(),
            "created": tx.now,
            "actor": acting.actor,
            "reason": acting.reason,
            "question": msgspec.to_builtins(question),
            "manner": msgspec.to_builtins(manner),
            "taken": 0,
            "workers": [],
            "report": {},
        }
        tx.execute(insert(tables.study).values(row))
        told = {"pipeline": question.pipeline, "dataset": question.dataset, "metrics": question.metrics}
        tx.event(f"study:{name}", {"status": "begun", **told}, verb="studies.begin")

    def _row(self, name: str) -> Row[Any]:
        with self._catalog.read() as tx:
            row = _find(tx, name)
            if row is None:
                recent = tx.all(select(tables.study.c.name).order_by(tables.study.c.created.desc()).limit(50))
                raise unknown("study", name, [each.name for each in recent], cure="mulle studies list")
        return row

    def _path(self, row: Row[Any]) -> Path:
        return self._folder / f"{row.log}.log"

    def _open(self, row: Row[Any]) -> StudyLog:
        if row.log not in self._logs:
            self._logs[row.log] = StudyLog(self._path(row), durable=self._catalog.durable)
        return self._logs[row.log]


def _find(tx: Tx, name: str) -> Row[Any] | None:
    return tx.one(select(tables.study).where(tables.study.c.name == name))


def _same(name: str, known: Question, given: Question) -> None:
    for field in Question.__struct_fields__:
        if getattr(known, field) != getattr(given, field):
            raise UsageError(
                f"the study '{name}' is there already, with another {field}",
                cause=f"it has {_short(getattr(known, field))}, not {_short(getattr(given, field))}",
                cure="give the new one a name of its own: --study NAME",
            )


def _short(value: Any) -> str:
    return f"{msgspec.json.encode(value).decode():.120}"


def _study(row: Row[Any], found: Trials, log: StudyLog) -> Study:
    question = msgspec.convert(row.question, Question)
    best: Trial | None = None
    counts: dict[TrialStatus, int] = {}
    for trial in found:
        counts[trial.status] = counts.get(trial.status, 0) + 1
        if trial.status == "complete" and better(question, trial, best):
            best = trial
    return Study(
        name=row.name,
        question=question,
        manner=msgspec.convert(row.manner, Manner),
        created=row.created,
        actor=row.actor,
        reason=row.reason,
        status="running" if _worked_at(log.history.workers) else "idle",
        counts=counts,
        best=best,
        report=row.report,
    )


def _worked_at(workers: Any) -> bool:
    living: list[Process] = [one for one in workers if lives(one)]
    return bool(living)
