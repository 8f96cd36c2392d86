"""AutoML for a dataset of the workspace: its rows to the fitting processes, the winner as a file of the project."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import UsageError
from mulle.tuning.automl.fitter import Fitter
from mulle.tuning.automl.problem import Problem, problem_of
from mulle.tuning.automl.search import AutoSearch, Budget, Outcome, Step
from mulle.tuning.automl.writing import Names, pipeline_name
from mulle.tuning.model import Manner, Question, Study, Trial
from mulle.types import duration
from mulle.workspace.project import module_file

if TYPE_CHECKING:
    from mulle.data.model import Version
    from mulle.tuning.automl.spawning import Spawned
    from mulle.workspace.facade import Workspace

LEAST_SECONDS = 5.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of AutoML."""

    dataset: str
    target: str
    budget: float
    """Seconds."""
    metric: str = ""
    time: str | None = None
    """None: the dataset's own event time; "": none."""
    group: str = ""
    seed: int = 0
    jobs: int = 1
    """How many fits at once."""
    ensemble: bool = True
    trials: int = 0
    """How many fits at most; 0: as many as there is time for. With it the same is found on any machine."""
    output: str = ""
    study: str = ""


class AutoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What AutoML found, and where it is written."""

    study: Study
    trials: list[Trial]
    file: str = ""
    pipeline: str
    run: str = ""
    """What to type, or to write, so that the project retrains it."""
    score: float | None
    """The winner on rows that it never saw; None where there was no time to fit it to all others."""
    metric: str
    first_seconds: float
    seconds: float
    warnings: list[str]


def automl(
    ws: Workspace,
    asked: Asked,
    on_step: Callable[[Step], None] | None = None,
    *,
    began: float | None = None,
    spawned: Sequence[Spawned] = (),
) -> AutoResult:
    """Search for the best pipeline within the budget, and write it as code of the project.

    Args:
        ws: the workspace.
        asked: what is asked.
        on_step: told whenever a fit came to its end.
        began: when the budget began, by `time.monotonic`; now by default.
        spawned: fitting processes that were begun already; they are ended here.

    Raises:
        UsageError: the budget is too small, or the file to write is there already.
        DataError: the target cannot be learned.
        TuningError: nothing could be fitted.
    """
    budget = Budget(time.monotonic() if began is None else began, asked.budget)
    with _fitting(asked.jobs, spawned) as fitters:
        return _search(ws, asked, budget, fitters, on_step)


def _search(
    ws: Workspace,
    asked: Asked,
    budget: Budget,
    fitters: Sequence[Fitter],
    on_step: Callable[[Step], None] | None,
) -> AutoResult:
    if asked.budget < LEAST_SECONDS:
        raise UsageError(
            f"a budget of {asked.budget:g} s is too small",
            cause=f"it takes {LEAST_SECONDS:g} s to load the libraries and fit anything",
            cure="--budget 30s",
        )
    version, problem, rows = _problem(ws, asked)
    file = _file(ws, asked)
    names = _names(ws, asked, version, file)
    name = _begin(ws, asked, problem)
    log = ws.studies.log(name)
    with contextlib.closing(log), tempfile.TemporaryDirectory(dir=_scratch(ws)) as scratch:
        path = Path(scratch) / "rows.arrow"
        rows.write_ipc(path)
        found = AutoSearch(
            problem, names, budget, log, ws.clock, on_step=on_step, ensemble=asked.ensemble, most=asked.trials
        ).run(path, fitters)
    with file.open("x", encoding="utf-8") as out:
        out.write(found.code)
    result = _result(ws, name, problem, names, found)
    return msgspec.structs.replace(result, file=str(file), run=_how_to_run(ws, file, names))


@contextlib.contextmanager
def _fitting(jobs: int, spawned: Sequence[Spawned]) -> Iterator[list[Fitter]]:
    """So many fitting processes, which load their libraries from now on."""
    fitters = [Fitter(one) for one in spawned] or [Fitter() for _ in range(max(1, jobs))]
    try:
        yield fitters
    finally:
        for one in fitters:
            one.close()


def _problem(ws: Workspace, asked: Asked) -> tuple[Version, Problem, Any]:
    name = asked.dataset.partition("@")[0]
    definition = ws.project.definitions.all("dataset").get(name) if module_file(ws.settings).exists() else None
    if definition is not None and definition.source is not None and ws.data.find_head(name) is None:
        ws.data.collect(definition, ws.clock.now(), whole=True)
    version = ws.data.resolve(asked.dataset)
    if version.kind != "table":
        raise UsageError(
            f"'{asked.dataset}' is a {version.kind}",
            cause="AutoML learns from tables",
            cure="commit a table: mulle data commit",
        )
    rows = ws.data.read(version)
    key, event_time = ws.data.described(name)
    outcomes = [one for one in definition.outcomes() if one in rows.columns] if definition is not None else []
    problem = problem_of(
        rows,
        asked.target,
        metric=asked.metric,
        time=(event_time or "") if asked.time is None else asked.time,
        group=asked.group,
        key=key,
        outcomes=outcomes,
        seed=asked.seed,
    )
    return version, problem, rows


def _file(ws: Workspace, asked: Asked) -> Path:
    """Where the winner is written: a file that is not there yet."""
    root, own = ws.settings.root, module_file(ws.settings)
    if asked.output:
        path = (root / asked.output).resolve()
        if path.exists():
            raise UsageError(f"{path} is there already", cause="what you wrote is kept", cure="--output OTHER.py")
        if path.suffix != ".py" or not path.parent.is_dir() or not path.stem.isidentifier():
            raise UsageError(
                f"'{asked.output}' cannot be written",
                cause="it is to be a Python module in a folder that is there",
                cure="--output late_model.py",
            )
        return path
    if not own.exists() and own.parent.is_dir():
        return own
    base = f"automl_{pipeline_name(asked.target)}"
    numbered = (root / f"{base}{f'_{number}' if number > 1 else ''}.py" for number in range(1, 1000))
    return next(path for path in numbered if not path.exists())


def _names(ws: Workspace, asked: Asked, version: Version, file: Path) -> Names:
    dataset = version.dataset
    command = f"mulle automl {asked.dataset} --target {asked.target}"
    if not module_file(ws.settings).exists():
        return Names(dataset=dataset, pipeline=pipeline_name(asked.target), command=command)
    definitions = ws.project.definitions
    pipeline = pipeline_name(asked.target, definitions.all("pipeline"))
    variable = _variable(ws, definitions.all("dataset").get(dataset))
    home = ws.settings.module if variable and file != module_file(ws.settings) else ""
    return Names(dataset=dataset, pipeline=pipeline, command=command, imported_from=home, variable=variable)


def _variable(ws: Workspace, definition: Any) -> str:
    """The name under which the project's module has a dataset."""
    there = vars(sys.modules[ws.settings.module]) if definition is not None else {}
    return next((name for name, value in there.items() if value is definition and name.isidentifier()), "")


def _begin(ws: Workspace, asked: Asked, problem: Problem) -> str:
    question = Question(
        kind="automl",
        dataset=asked.dataset,
        metrics=[problem.metric],
        directions=["maximize" if problem.higher_is_better else "minimize"],
        params={"target": asked.target, **({"time": problem.time} if problem.time else {})},
    )
    base = asked.study or f"automl-{pipeline_name(asked.target)}"
    if asked.study and ws.studies.find(asked.study) is not None:
        raise UsageError(
            f"the study '{asked.study}' is there already",
            cause="an AutoML search has a study of its own",
            cure="give it another name: --study NAME",
        )
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, 10_000))
    name = next(one for one in names if ws.studies.find(one) is None)
    settings = {"budget": asked.budget, "jobs": asked.jobs, "ensemble": asked.ensemble}
    ws.studies.begin(name, question, Manner(sampler="halving", pruner="rows", seed=asked.seed, settings=settings))
    return name


def _result(ws: Workspace, name: str, problem: Problem, names: Names, found: Outcome) -> AutoResult:
    finished = found.finished
    report = {
        "metric": problem.metric,
        "task": problem.task,
        "score": None if finished is None else finished.score,
        "valid_score": found.valid_score,
        "metrics": {} if finished is None else finished.metrics,
        "calibration": [] if finished is None else finished.calibration,
        "importance": []
        if finished is None
        else [{"column": column, "worth": worth} for column, worth in finished.importance.items()],
        "slices": [] if finished is None else finished.slices,
        "members": found.members,
        "code": found.code,
        "pipeline": names.pipeline,
        "fits": found.fits,
        "first_seconds": found.first_seconds,
        "seconds": found.seconds,
        "warnings": problem.warnings,
        "dropped": problem.dropped,
    }
    ws.studies.take_over(name)
    ws.studies.report(name, msgspec.to_builtins(report))
    return AutoResult(
        study=ws.studies.show(name),
        trials=ws.studies.trials(name),
        pipeline=names.pipeline,
        score=None if finished is None else finished.score,
        metric=problem.metric,
        first_seconds=found.first_seconds,
        seconds=found.seconds,
        warnings=problem.warnings,
    )


def _how_to_run(ws: Workspace, file: Path, names: Names) -> str:
    own = module_file(ws.settings)
    if file == own:
        return f"mulle run {names.pipeline}"
    if not own.exists():
        return f'write module = "{file.stem}" under [project] in mulle.toml, then: mulle run {names.pipeline}'
    return f"add the line `import {file.stem}` at the end of {own.name}, then: mulle run {names.pipeline}"


def _scratch(ws: Workspace) -> Path:
    folder = ws.root / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seconds_of(budget: str | float) -> float:
    """A budget as seconds."""
    return float(budget) if isinstance(budget, int | float) else duration(budget).total_seconds()
