"""The demo from an empty folder to its report."""

from __future__ import annotations

import importlib.util
import json
import resource
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import mulle
from mulle.clock import SystemClock, VirtualClock
from mulle.errors import ProjectError, UsageError
from mulle.features.training import ASKED
from mulle.verbs import acting
from mulle.workspace.demo.endpoint import Caller
from mulle.workspace.demo.report import page
from mulle.workspace.demo.table import table
from mulle.workspace.demo.year import live, questions
from mulle.workspace.facade import Workspace

if TYPE_CHECKING:
    from mulle.delivery.backtest.model import BacktestReport, PolicyReport

FEBRUARY = datetime(2013, 2, 1, tzinfo=UTC)
END = datetime(2014, 1, 2, tzinfo=UTC)
POLICIES = ("never", "monthly", "drift", "quality", "combined")
DEPLOYMENT = "delay"
CLOSE = 0.002
"""Policies whose mean ROC AUC is this near to the best count as equally good; the cheapest of them is chosen."""
REQUESTS = 1200

Tell = Callable[..., None]


class Found(msgspec.Struct, frozen=True):
    """What the demo found: the policies side by side, three lines, and where the rest is."""

    table: list[str]
    lines: list[str]
    report: Path
    page: Path


def play(directory: Path, on_progress: Tell | None = None) -> Found:
    """Play the year through the wheel in a fresh workspace at `directory`, which is replaced.

    Raises:
        UsageError: the folder holds something else than an earlier demo.
        ProjectError: the packages that the flights need are not installed.
    """
    tell = on_progress or _silent
    began, cpu = time.perf_counter(), _cpu_seconds()
    directory = directory.resolve()
    _fresh(directory)
    with acting(actor="demo"):
        answered = _year(directory, tell)
        _stay_in_the_year(directory)
        with Workspace.open(directory) as ws:
            ws.project  # noqa: B018 - imported here, so that its import is not counted as the backtest's
            before = time.perf_counter(), _cpu_seconds()
            backtest = ws.backtest(DEPLOYMENT, POLICIES, start=FEBRUARY, end=END, on_progress=tell)
            after = time.perf_counter(), _cpu_seconds()
            chosen = choose(backtest)
            endpoint, why = _serve(ws, backtest.policies[chosen], chosen, tell)
            rows = ws.data.head("flights").rows
    report = _report(backtest, chosen, endpoint, why, rows)
    report["answered"] = answered
    report["cost"] = {
        "wall_seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(_cpu_seconds() - cpu, 1),
        "backtest_wall_seconds": round(after[0] - before[0], 1),
        # the trainings ran in workers that are not counted before they end
        "backtest_cpu_seconds": round(after[1] - before[1] + backtest.training_cpu_seconds, 1),
        "distinct_trainings": backtest.distinct_trainings,
        "training_cpu_seconds": round(backtest.training_cpu_seconds, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    file, html = directory / "report.json", directory / "report.html"
    file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    html.write_text(page(report), "utf-8")
    where = f"Look around: mulle -C {directory.name} server (then open the address that it names); the report: {html}"
    both = {**report["policies"], "oracle": report["oracle_policy"]}
    return Found(table(both), [*report["found"], where], file, html)


def choose(backtest: BacktestReport) -> str:
    """Of the policies as good as the best (within `CLOSE`), the one with the fewest CPU seconds."""
    best = max(one.mean_auc or 0.0 for one in backtest.policies.values())
    near = {name: one for name, one in backtest.policies.items() if (one.mean_auc or 0.0) >= best - CLOSE}
    return min(near, key=lambda name: (near[name].cpu_seconds, near[name].retrainings, name))


def _fresh(directory: Path) -> None:
    for package in ("lightgbm", "sklearn"):
        if importlib.util.find_spec(package) is None:
            raise ProjectError(
                f"the demo needs the package {package}", cause="it is not installed", cure='pip install "mulle[demo]"'
            )
    marker = directory / ".mulle" / "demo"
    if directory.exists() and any(directory.iterdir()) and not marker.exists():
        raise UsageError(
            f"{directory} is not empty",
            cause="it is not the workspace of an earlier demo",
            cure="mulle demo NEW_FOLDER",
        )
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(_example(), directory, ignore=shutil.ignore_patterns("__pycache__", ".mulle"))
    marker.parent.mkdir()
    marker.write_text("made by `mulle demo`, which replaces it\n", "utf-8")


def _example() -> Path:
    """The example project: inside the installed package, or beside the source."""
    packaged = Path(str(resources.files(mulle) / "_examples" / "flights"))
    return packaged if packaged.exists() else Path(mulle.__file__).parents[2] / "examples" / "flights"


def _year(directory: Path, tell: Tell) -> int:
    """January as the first version, the first champion, then day by day to the end of the year."""
    clock = VirtualClock(FEBRUARY)
    with Workspace.create(directory, clock=clock) as ws:
        tell("January arrives")
        datasets: dict[str, Any] = ws.project.definitions.all("dataset")
        for dataset in datasets.values():
            ws.data.collect(dataset, FEBRUARY, whole=True)
        tell("the first champion is trained, judged and deployed")
        ws.run(DEPLOYMENT)
        first = ws.deploy(DEPLOYMENT, reason="the first champion")
        if not first.passed:
            raise ProjectError(
                "the first model does not pass its gate", cause=first.reason, cure="see the deployment in project.py"
            )
        return live(ws, clock, datasets["flights"], DEPLOYMENT, end=END, tell=tell)


def _stay_in_the_year(directory: Path) -> None:
    """From here on the workspace's time runs on from the year's end, not from today: its data is of that time."""
    behind = int((SystemClock().now() - END).total_seconds())
    file = directory / "mulle.toml"
    text = file.read_text("utf-8")
    note = "# The data ends in January 2014, and this workspace's time runs on from there."
    file.write_text(f'{text}\n{note}\n[workspace]\nbehind = "{behind}s"\n', "utf-8")


def _serve(ws: Workspace, policy: PolicyReport, name: str, tell: Tell) -> tuple[dict[str, Any], str]:
    """Requests to a real endpoint, while the chosen policy's last champion takes over."""
    tell("a real endpoint answers real requests")
    rows = _requests(ws)
    number = _last_champion(ws, policy)
    swapped: list[Any] = []

    with ws.serve(DEPLOYMENT, workers=2) as server:

        def swap() -> None:
            if number is not None:
                reason = f"the last champion of the policy '{name}', chosen by backtest"
                # its gate let it pass in the backtest, against its forerunner there; here it meets another one
                swapped.append(ws.deploy(DEPLOYMENT, number, reason, force=True))
                server.refresh()

        caller = Caller(server.url, DEPLOYMENT)
        caller.ask(rows, meanwhile=swap)
    newest = max(caller.answers)
    prediction = caller.answers[newest][-1]
    head = ws.data.log("flights")[0]
    endpoint = {
        "deployment": DEPLOYMENT,
        "requests": caller.requests,
        "failures": caller.failures,
        "answers_by_revision": {str(number): len(ids) for number, ids in sorted(caller.answers.items())},
        "swap": msgspec.to_builtins(swapped[0]) if swapped else None,
        "prediction": prediction,
    }
    return endpoint, _told(ws, prediction, head.ref)


def _last_champion(ws: Workspace, policy: PolicyReport) -> int | None:
    """The number of the model version that served last under a policy; None where the first champion stayed."""
    if policy.champion_as_of is None:
        return None
    result = ws.run(DEPLOYMENT, as_of=policy.champion_as_of)
    return int(result.model_versions[0].partition("@")[2])


def _requests(ws: Workspace) -> list[dict[str, Any]]:
    """Rows as callers send them: the last flights of the year with what was known about them when they were asked."""
    dataset = ws.project.definitions.get("dataset", "flights")
    rows = questions(ws, dataset, END - timedelta(days=4), END).drop(ASKED).tail(REQUESTS)
    return [msgspec.to_builtins(row) for row in rows.iter_rows(named=True)]


def _told(ws: Workspace, prediction: str, version: str) -> str:
    """Why and impact in words."""
    chain = ws.lineage.why(f"prediction:{prediction}")
    lines = [f"mulle why prediction:{prediction}"]
    for kind in ("prediction", "revision", "model_version", "run", "step_run", "dataset_version", "object"):
        names = [node.name for node in chain.nodes if node.kind == kind]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"  {kind:<16} {names[0]}{more}" if names else f"  {kind:<16} none")
    taught = next((node.name for node in chain.nodes if node.name.startswith("dataset:flights@")), f"dataset:{version}")
    impact = ws.lineage.impact(taught)
    endpoints = [node.name for node in impact.nodes if node.kind == "deployment"]
    lines += ["", f"mulle impact {taught}", f"  live endpoints that it taught: {', '.join(endpoints) or 'none'}"]
    return "\n".join(lines)


def _report(backtest: BacktestReport, chosen: str, endpoint: dict[str, Any], why: str, rows: int) -> dict[str, Any]:
    policies = {name: _policy(one) for name, one in backtest.policies.items()}
    best, never = policies[chosen], policies["never"]
    found = [
        (
            f"Of {', '.join(policies)}, '{chosen}' is chosen: mean ROC AUC {best['mean_auc']:.4f} with "
            f"{best['retrainings']} retrainings ({best['cpu_seconds']:.0f} CPU s), regret {best['regret']:.4f}."
        ),
        (
            f"Never retraining would have had {never['mean_auc']:.4f}; the weekly oracle, which knows no gate, "
            f"{backtest.oracle.mean_auc or 0.0:.4f}."
        ),
        (
            f"The endpoint answered {endpoint['requests']:,} requests, {endpoint['failures']} failed, across a hot "
            "swap; each answer leads back to its rows."
        ),
    ]
    if endpoint["swap"] and endpoint["swap"]["forced"]:
        found[2] += (
            f" The gate refused the swap against the first champion and was overruled: {endpoint['swap']['reason']}."
        )
    return {
        "found": found,
        "chosen": chosen,
        "rule": f"fewest CPU seconds among the policies within {CLOSE} of the best mean ROC AUC",
        "rows": rows,
        "questions": backtest.questions,
        "labelled": backtest.labelled,
        "period": f"{backtest.start:%d %B} to {backtest.end:%d %B %Y}",
        "weeks": [f"{week:%m-%d}" for week in backtest.weeks],
        "policies": policies,
        "oracle": "every week",
        "oracle_policy": _policy(backtest.oracle),
        "endpoint": endpoint,
        "why_text": why,
        "backtest": {"id": backtest.id, "digest": backtest.digest},
    }


def _policy(one: PolicyReport) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(one)
    return told


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _silent(*_: object) -> None:
    """Progress that nobody watches."""
