"""What storing a trial costs, beside Optuna's storages, and how good the searches are that prune.

python -m benchmarks.tuning
python -m benchmarks.tuning work STORAGE PATH TRIALS GO    # one process that stores trials, when GO is there
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import optuna
from benchmarks.harness import Cost, Figure, line, measure, publish
from benchmarks.mlp_table import EPOCHS, GRID, table
from optuna.pruners import HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler

from mulle.clock import SystemClock
from mulle.tuning.log import StudyLog
from mulle.tuning.model import Manner, Question
from mulle.tuning.search import Search
from mulle.tuning.space import Choice, space_of
from mulle.tuning.storage import StudyStorage

TRIALS = {"mulle": 1000, "sqlite": 60, "journal": 200}
QUESTION = Question(metrics=["m"], directions=["minimize"], space=space_of({"x": "uniform(0,1)", "y": "uniform(0,1)"}))
BUDGET = 20 * EPOCHS
SEEDS = range(12)


# -- storing ---------------------------------------------------------------------------------------------------------


def opened(storage: str, path: str) -> optuna.Study:
    """The study, as one of several processes opens it."""
    sampler = RandomSampler()
    if storage == "mulle":
        made: Any = StudyStorage("s", StudyLog(Path(path)), QUESTION, SystemClock())
        return optuna.load_study(study_name="s", storage=made, sampler=sampler)
    if storage == "journal":
        backend = optuna.storages.journal.JournalFileBackend(path)
        made = optuna.storages.JournalStorage(backend)
    else:
        made = f"sqlite:///{path}"
    return optuna.create_study(study_name="s", storage=made, sampler=sampler, load_if_exists=True)


def work(storage: str, path: str, trials: int, go: Path) -> None:
    """Store trials of an objective that costs nothing, and print what that took."""
    study = opened(storage, path)
    print("ready", flush=True)
    while not go.exists():
        time.sleep(0.005)
    wall, cpu = time.perf_counter(), time.process_time()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), n_trials=trials)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


def stored(storage: str, processes: int) -> Callable[[], Cost]:
    """Seconds a stored trial, by so many processes at once into one study."""
    trials = TRIALS[storage] // processes

    def call() -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            path, go = str(Path(folder) / "study"), Path(folder) / "go"
            opened(storage, path)
            command = [sys.executable, "-m", "benchmarks.tuning", "work", storage, path, str(trials), str(go)]
            working = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
            for process in working:
                assert process.stdout is not None
                process.stdout.readline()
            go.touch()
            took = [json.loads(process.communicate()[0].splitlines()[-1]) for process in working]
        total = trials * processes
        return Cost(max(wall for wall, _ in took) / total, sum(cpu for _, cpu in took) / total)

    return call


# -- searching -------------------------------------------------------------------------------------------------------


def settings(chosen: dict[str, Any]) -> tuple[Any, ...]:
    """The row of the table that a trial's parameters name."""
    return tuple(chosen[name] if name == "activation" else values[chosen[name]] for name, values in GRID.items())


def space() -> dict[str, Any]:
    return space_of({
        name: Choice(tuple(values)) if name == "activation" else f"int(0,{len(values) - 1})"
        for name, values in GRID.items()
    })  # fmt: skip


def ours(seed: int) -> float:
    """The regret of `mulle tune` as it comes: the best error of a whole training, over the table's best."""
    question = Question(metrics=["error"], directions=["minimize"], space=space())
    spent, found, curves = 0, 1.0, table()
    with tempfile.TemporaryDirectory() as folder:
        log = StudyLog(Path(folder) / "study.log", durable=False)
        search = Search("s", log, question, Manner(seed=seed), SystemClock(), most=1_000_000)
        while spent < BUDGET and (asked := search.ask()) is not None:
            errors = curves[settings(asked.params)][: BUDGET - spent]
            for epoch, error in enumerate(errors, 1):
                spent += 1
                if search.heard(asked.number, epoch, error):
                    search.pruned(asked.number)
                    break
            else:
                if len(errors) == EPOCHS:
                    found = min(found, errors[-1])
                    search.complete(asked.number, [errors[-1]])
        log.close()
    return found - best()


def theirs(sampler: Callable[[int], Any], pruner: Callable[[], Any]) -> Callable[[int], float]:
    """The regret of Optuna in memory."""

    def regret(seed: int) -> float:
        study = optuna.create_study(sampler=sampler(seed), pruner=pruner())
        spent, found, curves = 0, 1.0, table()
        while spent < BUDGET:
            trial = study.ask()
            chosen = {
                name: trial.suggest_categorical(name, values)
                if name == "activation"
                else trial.suggest_int(name, 0, len(values) - 1)
                for name, values in GRID.items()
            }
            state, errors = optuna.trial.TrialState.COMPLETE, curves[settings(chosen)][: BUDGET - spent]
            for epoch, error in enumerate(errors, 1):
                spent += 1
                trial.report(error, epoch)
                if trial.should_prune():
                    state = optuna.trial.TrialState.PRUNED
                    break
            if state == optuna.trial.TrialState.PRUNED:
                study.tell(trial, state=state)
            elif len(errors) == EPOCHS:
                study.tell(trial, errors[-1])
                found = min(found, errors[-1])
        return found - best()

    return regret


def best() -> float:
    return min(errors[-1] for errors in table().values())


SEARCHES: dict[str, Callable[[int], float]] = {
    "mulle tune, as it comes": ours,
    "Optuna TPE + ASHA, as they come": theirs(lambda seed: TPESampler(seed=seed), SuccessiveHalvingPruner),
    "Optuna TPE + Hyperband": theirs(lambda seed: TPESampler(seed=seed), lambda: HyperbandPruner(1, EPOCHS)),
    "Optuna TPE": theirs(lambda seed: TPESampler(seed=seed), NopPruner),
    "Optuna random": theirs(lambda seed: RandomSampler(seed=seed), NopPruner),
}


def regrets() -> list[Figure]:
    """The mean regret of each search at the same budget of epochs; of ours it may not be more than of TPE + ASHA."""
    figures, known = [], {}
    for name, search in reversed(SEARCHES.items()):
        began = time.process_time()
        found = [search(seed) for seed in SEEDS]
        known[name] = statistics.mean(found)
        spread = statistics.stdev(found) / len(found) ** 0.5
        note = f"regret {known[name]:.5f} ± {spread:.5f} (mean of {len(found)} seeds, {BUDGET} epochs)"
        cpu = (time.process_time() - began) / len(found)
        figure = Figure(name=f"{name}: {note}", n=len(found), wall=cpu, cpu=cpu, wall_low=cpu, wall_high=cpu)
        if search is ours:
            figure = msgspec.structs.replace(figure, met=known[name] <= known["Optuna TPE + ASHA, as they come"])
        figures.insert(0, figure)
    return figures


def main() -> list[Figure]:
    """Measure and publish."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figures = []
    for processes, words in ((1, "one process"), (2, "two processes")):
        for peer in ("sqlite", "journal"):
            figures.append(
                measure(
                    f"a stored trial, random sampler, {words}",
                    stored("mulle", processes),
                    n=3,
                    warm_up=0,
                    baseline=(f"Optuna's {peer} storage", stored(peer, processes)),
                    budget=0.002,
                )
            )
            print(line(figures[-1]), flush=True)
    figures += regrets()
    publish("tuning", figures)
    return figures


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
