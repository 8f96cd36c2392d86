"""Chains of ten steps on mulle and on other workflow engines: starting, stepping, running again, and after an edit.

The engines are in environments of their own (`scripts/install_engines.sh`). All run the same chain: ten steps, each of
which calls a helper in another module. A step notes that it ran, and when; so an engine is asked nothing. "After an
edit" is a run after the helper's constant changed: fewer than ten steps then means that old results were given out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import MULLE, Cost, Figure, command, publish

STEPS = 10
HELPER = """import json, os, time

FACTOR = 2


def scale(step, value):
    with open(os.environ["MARKS"], "a") as marks:
        marks.write(json.dumps([step, time.time()]) + "\\n")
    return value * FACTOR + step
"""
PEERS = Path(".venv/peers").absolute()


@dataclass(frozen=True)
class Engine:
    """A workflow engine: its project's files, and the command that runs the chain."""

    name: str
    files: dict[str, str]
    run: Sequence[str | Path]
    environment: dict[str, str] = field(default_factory=dict)


def nested(call: Callable[[int, str], str]) -> str:
    """The chain as one expression."""
    value = "1"
    for step in range(STEPS):
        value = call(step, value)
    return value


def steps(head: str) -> str:
    """Functions s0, s1, …, each under the decorator of an engine."""
    return "\n\n".join(
        f"{head}\ndef s{n}(value: int) -> int:\n    return helper.scale({n}, value)\n" for n in range(STEPS)
    )


CHAIN = nested(lambda step, value: f"s{step}({value})")
MULLE_FILES = {
    "mulle.toml": '[project]\nname = "chain"\n\n[run]\nexecutor = "in-process"\n',
    "project.py": f"import helper\nimport mulle\n\n\n{steps('@mulle.step')}\n\n"
    f"@mulle.pipeline\ndef chain():\n    return {CHAIN}\n",
}
REDUN = (
    f"import helper\nfrom redun import task\n\nredun_namespace = 'chain'\n\n\n{steps('@task()')}\n\n"
    f"@task()\ndef main():\n    return {CHAIN}\n"
)
HAMILTON = "import helper\n\n\n" + "\n\n".join(
    f"def s{n}({f's{n - 1}' if n else 'start'}: int) -> int:\n"
    f"    return helper.scale({n}, {f's{n - 1}' if n else 'start'})\n"
    for n in range(STEPS)
)
HAMILTON_RUN = (
    "import flow\nfrom hamilton import driver\n\nbuilt = driver.Builder().with_modules(flow).with_cache().build()\n"
    f"built.execute(['s{STEPS - 1}'], inputs={{'start': 1}})\n"
)
PREFECT = (
    "import helper\nfrom prefect import flow, task\nfrom prefect.cache_policies import INPUTS, TASK_SOURCE\n\n\n"
    f"{steps('@task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True)')}\n\n"
    f"@flow\ndef main():\n    return {CHAIN}\n\n\nif __name__ == '__main__':\n    main()\n"
)
METAFLOW = (
    "import helper\nfrom metaflow import FlowSpec, step\n\n\nclass Chain(FlowSpec):\n"
    "    @step\n    def start(self):\n        self.value = 1\n        self.next(self.s0)\n\n"
    + "".join(
        f"    @step\n    def s{n}(self):\n        self.value = helper.scale({n}, self.value)\n"
        f"        self.next(self.{f's{n + 1}' if n + 1 < STEPS else 'end'})\n\n"
        for n in range(STEPS)
    )
    + "    @step\n    def end(self):\n        pass\n\n\nif __name__ == '__main__':\n    Chain()\n"
)


def engines() -> list[Engine]:
    """mulle, and those that are installed."""
    found = [Engine("mulle", MULLE_FILES, [MULLE, "run", "chain"])]
    others = [
        Engine("redun", {"flow.py": REDUN}, [_peer("redun", "redun"), "run", "flow.py", "main"]),
        Engine("hamilton", {"flow.py": HAMILTON, "run.py": HAMILTON_RUN}, [_peer("hamilton"), "run.py"]),
        Engine(
            "prefect",
            {"flow.py": PREFECT},
            [_peer("prefect"), "flow.py"],
            {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "ERROR", "DO_NOT_TRACK": "1"},
        ),
        Engine("metaflow", {"flow.py": METAFLOW}, [_peer("metaflow"), "flow.py", "run"], {"USERNAME": "bench"}),
    ]
    return found + [each for each in others if Path(each.run[0]).exists()]


def _peer(name: str, program: str = "python") -> Path:
    return PEERS / name / "bin" / program


class Round:
    """One engine's turn in a fresh folder: the first run, the second, and one after an edit of the helper."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._marks = folder / "marks"
        folder.mkdir()
        for name, text in {**engine.files, "helper.py": HELPER}.items():
            (folder / name).write_text(text)

    def run(self) -> tuple[Cost, list[float], float]:
        """What a run cost, when its steps ran, and when it was launched."""
        self._marks.write_text("")
        home = {"PREFECT_HOME": str(self._folder / "prefect"), "PYTHONPATH": "."}
        homes = {"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self._folder), "MARKS": str(self._marks)}
        launched = time.time()
        cost = command(self._engine.run, cwd=self._folder, env={**home, **homes, **self._engine.environment})()
        return cost, [json.loads(line)[1] for line in self._marks.read_text().splitlines()], launched

    def edit(self) -> None:
        """Change a constant that every step reaches through the helper."""
        path = self._folder / "helper.py"
        path.write_text(path.read_text().replace("FACTOR = 2", "FACTOR = 3"))


@dataclass
class Found:
    """What the rounds of one engine gave."""

    first: list[Cost] = field(default_factory=list)
    again: list[Cost] = field(default_factory=list)
    launch: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    ran_again: list[int] = field(default_factory=list)
    ran_after_edit: list[int] = field(default_factory=list)


def turn(engine: Engine, folder: Path, found: Found) -> None:
    """One round of an engine."""
    each = Round(engine, folder)
    cost, marks, launched = each.run()
    found.first.append(cost)
    found.launch.append(marks[0] - launched)
    found.step.append((marks[-1] - marks[0]) / (STEPS - 1))
    cost, marks, _ = each.run()
    found.again.append(cost)
    found.ran_again.append(len(marks))
    each.edit()
    found.ran_after_edit.append(len(each.run()[1]))
    shutil.rmtree(folder, ignore_errors=True)


def figures(name: str, found: Found, ours: Found) -> list[Figure]:
    """The figures of an engine; ours are the baseline of the others'."""
    stale = f"ran {statistics.median(found.ran_after_edit):.0f} of {STEPS} after the edit of a helper"
    again = f"ran {statistics.median(found.ran_again):.0f} of {STEPS}"
    return [
        _figure(f"{name}: launch to the first line of a step", _costs(found.launch), _costs(ours.launch)),
        _figure(f"{name}: a step of a chain", _costs(found.step), _costs(ours.step)),
        _figure(f"{name}: a chain of {STEPS}, whole command", found.first, ours.first, note=stale),
        _figure(f"{name}: the same again", found.again, ours.again, note=again),
    ]


def _costs(walls: Sequence[float]) -> list[Cost]:
    return [Cost(wall, 0.0) for wall in walls]


def _figure(name: str, costs: Sequence[Cost], ours: Sequence[Cost], note: str = "") -> Figure:
    wall, cpu = (statistics.median(getattr(cost, of) for cost in costs) for of in ("wall", "cpu"))
    other, other_cpu = (statistics.median(getattr(cost, of) for cost in ours) for of in ("wall", "cpu"))
    return Figure(
        name=name,
        n=len(costs),
        wall=wall,
        cpu=cpu,
        wall_low=min(cost.wall for cost in costs),
        wall_high=max(cost.wall for cost in costs),
        baseline="mulle",
        baseline_wall=other,
        baseline_cpu=other_cpu,
        wall_ratio=wall / other,
        cpu_ratio=cpu / other_cpu if other_cpu else 0.0,
        note=note,
    )


def main(arguments: Sequence[str] = ()) -> list[Figure]:
    """Measure, and write `benchmarks/out/engines.json`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args(arguments)
    subprocess.run(["sh", "scripts/install_engines.sh"], check=True)
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(options.rounds):
            for engine in engines():
                if engine.name == "mulle" or not options.only or engine.name in options.only:
                    turn(engine, Path(scratch) / f"{engine.name}-{number}", found.setdefault(engine.name, Found()))
    made = [figure for name, each in found.items() for figure in figures(name, each, found["mulle"])]
    publish("engines", made, steps=STEPS)
    return made


if __name__ == "__main__":
    main(sys.argv[1:])
